"""The attackers of `bench.abuse`, in a process of their own: bare connects, streams that never say
who they are, and one user who floods.

`python -m bench.abuse_load` reads an AttackPlan as JSON from standard input, says "ready" on a
line, begins at a line that says "go", ends at the next line, and prints an AttackResult as JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, Final

import grpc
import uvloop
from h2.config import H2Configuration
from h2.connection import H2Connection

from bench.load import READY
from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.api.types.v1 import types_pb2

CONNECT: Final = "/whimbrel.api.access.v1.AccessService/Connect"
_PATIENCE_SECONDS: Final = 0.1
"""A connect on one machine takes a tenth of a millisecond; one without an answer by now gets
none."""
_BATCH: Final = 50


@dataclass(frozen=True)
class AttackPlan:
    """What the attackers of one process do; 0 or "" leaves one out."""

    endpoint: str
    connects_per_second: int = 0
    connect_source: str = "127.0.0.2"
    silent_streams: int = 0
    silent_source: str = "127.0.0.3"
    flood_token: str = ""


@dataclass
class AttackResult:
    """What they saw; moments are monotonic seconds of this machine."""

    began: float = 0.0
    connects: int = 0
    connected: int = 0
    last_connected: float = 0.0
    """The last bare connect that came through."""
    silent_opened: int = 0
    last_silent: float = 0.0
    """The last connect of a silent stream that came through."""
    flood_sent: int = 0
    flood_accepted: int = 0
    flood_rejected: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def opening_bytes(streams: int = 1) -> bytes:
    """What opens an HTTP/2 connection and calls Connect so many times, and then says nothing."""
    http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    http.initiate_connection()
    for number in range(streams):
        http.send_headers(
            2 * number + 1,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", CONNECT),
                (":authority", "whimbrel"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
            ],
        )
    return http.data_to_send()


class Attack:
    """Everything that one process does to a pod."""

    def __init__(self, plan: AttackPlan) -> None:
        self._plan = plan
        host, _, port = plan.endpoint.rpartition(":")
        self._target = (host, int(port))
        self._result = AttackResult()

    async def run(self) -> AttackResult:
        """From "go" to the next line."""
        print(READY, flush=True)  # noqa: T201 - the protocol with the parent
        await _line()
        self._result.began = time.monotonic()
        plan = self._plan
        attackers = [self._silent(number) for number in range(plan.silent_streams)]
        if plan.connects_per_second:
            attackers.append(self._bare_connects())
        if plan.flood_token:
            attackers.append(self._flood())
        tasks = [asyncio.create_task(one) for one in attackers]
        await _line()
        self._result.seconds = time.monotonic() - self._result.began
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                self._result.problems.append(repr(outcome))
        return self._result

    async def _bare_connects(self) -> None:
        """At the planned rate, whatever becomes of them; every other one begins to speak HTTP/2."""
        loop = asyncio.get_running_loop()
        greeting = opening_bytes(0)
        due = loop.time()
        for number in count():
            own = socket.socket()
            own.setblocking(False)
            own.bind((self._plan.connect_source, 0))
            own.connect_ex(self._target)
            loop.call_later(_PATIENCE_SECONDS, self._judge, own, greeting if number % 2 else b"")
            self._result.connects += 1
            due += 1 / self._plan.connects_per_second
            if number % _BATCH == 0:
                await asyncio.sleep(max(0.0, due - loop.time()))

    def _judge(self, own: socket.socket, greeting: bytes) -> None:
        with own:
            try:
                own.getpeername()
            except OSError:
                return
            self._result.connected += 1
            self._result.last_connected = time.monotonic() - _PATIENCE_SECONDS
            with suppress(OSError):
                own.send(greeting)

    async def _silent(self, number: int) -> None:
        """One stream that says nothing, opened again whenever it is ended."""
        loop = asyncio.get_running_loop()
        opening = opening_bytes()
        await asyncio.sleep(number / self._plan.silent_streams)
        while True:
            with socket.socket() as own:
                own.setblocking(False)
                own.bind((self._plan.silent_source, 0))
                try:
                    async with asyncio.timeout(1.0):
                        await loop.sock_connect(own, self._target)
                    self._result.last_silent = time.monotonic()
                    await loop.sock_sendall(own, opening)
                    self._result.silent_opened += 1
                    while heard := await loop.sock_recv(own, 4096):
                        if _ends_stream(heard):
                            break
                except OSError:
                    await asyncio.sleep(0.1)

    async def _flood(self) -> None:
        """One user who sends as fast as the stream takes it, fifty messages a frame."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
        async with grpc.aio.insecure_channel(self._plan.endpoint, options=options) as channel:
            # The stubs know a call of reads and writes only by halves.
            call: Any = access_pb2_grpc.AccessServiceStub(channel).Connect()
            await call.write(_hello(self._plan.flood_token))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read_answers(call))
                for number in count():
                    await call.write(_messages(number))
                    self._result.flood_sent += _BATCH

    async def _read_answers(self, call: Any) -> None:
        while (frame := await call.read()) is not grpc.aio.EOF:
            self._result.flood_accepted += len(frame.accepted.messages)
            self._result.flood_rejected += len(frame.rejected.messages)
        raise ConnectionError("the flooding user's stream was ended")


def _ends_stream(heard: bytes) -> bool:
    """Whether these bytes hold a HEADERS frame that ends a stream, or a GOAWAY."""
    while len(heard) >= 9:
        length, kind, flags = int.from_bytes(heard[:3]), heard[3], heard[4]
        if kind == 7 or (kind == 1 and flags & 1):
            return True
        heard = heard[9 + length :]
    return False


def _hello(token: str) -> access_pb2.ConnectRequest:
    return access_pb2.ConnectRequest(
        hello=access_pb2.Hello(
            protocol_version=1, token=token, device_id="flood", instance_id="flood", attempt=1
        )
    )


def _messages(number: int) -> access_pb2.ConnectRequest:
    body = types_pb2.Body(kind=types_pb2.BODY_KIND_TEXT, content=b"x" * 100)
    return access_pb2.ConnectRequest(
        send=access_pb2.Send(
            messages=[
                access_pb2.OutgoingMessage(
                    client_message_id=f"{number}.{n}", recipient_id="flooded", body=body
                )
                for n in range(_BATCH)
            ]
        )
    )


async def _line() -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def main() -> None:
    """See the module."""
    result = uvloop.run(Attack(AttackPlan(**json.loads(sys.stdin.readline()))).run())
    print(json.dumps(asdict(result)), flush=True)  # noqa: T201 - the protocol with the parent


if __name__ == "__main__":
    main()
