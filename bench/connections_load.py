"""The load of the connections bench: idle streams, each on a connection of its own, in a process
of their own.

`python -m bench.connections_load` reads a ConnectionsPlan as JSON from standard input and says
"ready" on a line. For each line that says "go" it attaches the next batch and prints a
BatchResult as one line of JSON; a line that says anything else ends it. No SDK: a stream that says
Hello and then nothing, so that the client costs as little as it can.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import grpc
import uvloop

from bench import collector
from bench.load import GO, READY
from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.client.endpoints import open_channel
from whimbrel.client.transport import Tls, Transport, transport_of

ATTACH_SECONDS = 30.0


@dataclass(frozen=True)
class ConnectionsPlan:
    """What one process does."""

    endpoint: str
    tokens: dict[str, str]
    """By user: one stream each."""
    batches: list[int]
    """How many streams each "go" attaches."""
    at_once: int
    """Attaches under way at a time."""
    ca_file: str = ""
    """Speak TLS and believe this file; empty: plain text."""


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch. Times are those of the machine's one monotonic clock."""

    began: float
    ended: float
    latencies_us: list[int]
    """From opening the connection to Welcome."""
    refused: int


class ConnectionsLoad:
    """The streams of one process."""

    def __init__(self, plan: ConnectionsPlan) -> None:
        self._plan = plan
        self._waiting = list(plan.tokens.items())
        self._open: list[tuple[grpc.aio.Channel, Any]] = []
        tls = Tls(ca_file=plan.ca_file) if plan.ca_file else False
        self._transport: Transport = transport_of(tls, None)

    async def attach(self, count: int) -> BatchResult:
        """Attach the next so many."""
        gate = asyncio.Semaphore(self._plan.at_once)
        users, self._waiting = self._waiting[:count], self._waiting[count:]
        began = time.monotonic()
        outcomes = await asyncio.gather(*(self._attach(*one, gate) for one in users))
        ended = time.monotonic()
        latencies = [one for one in outcomes if one is not None]
        return BatchResult(began, ended, latencies, len(outcomes) - len(latencies))

    async def _attach(self, user: str, token: str, gate: asyncio.Semaphore) -> int | None:
        async with gate:
            began = time.monotonic()
            channel = open_channel(self._plan.endpoint, self._transport)
            call: Any = access_pb2_grpc.AccessServiceStub(channel).Connect()
            self._open.append((channel, call))
            hello = access_pb2.Hello(
                protocol_version=1, token=token, device_id="bench", instance_id=user, attempt=1
            )
            try:
                async with asyncio.timeout(ATTACH_SECONDS):
                    await call.write(access_pb2.ConnectRequest(hello=hello))
                    first = await call.read()
            except (TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return None
            is_welcome = isinstance(first, access_pb2.ConnectResponse) and first.HasField("welcome")
            return int((time.monotonic() - began) * 1e6) if is_welcome else None

    async def run(self) -> None:
        """See the module."""
        loop = asyncio.get_running_loop()
        print(READY, flush=True)  # noqa: T201 - the protocol with the parent
        for count in self._plan.batches:
            if (await loop.run_in_executor(None, sys.stdin.readline)).strip() != GO:
                return
            result = await self.attach(count)
            collector.rest()
            print(json.dumps(asdict(result)), flush=True)  # noqa: T201
        await loop.run_in_executor(None, sys.stdin.readline)


def main() -> None:
    """See the module."""
    uvloop.run(ConnectionsLoad(ConnectionsPlan(**json.loads(sys.stdin.readline()))).run())


if __name__ == "__main__":
    main()
