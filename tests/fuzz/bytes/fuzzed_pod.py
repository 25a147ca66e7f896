"""One attached stream of an Access pod, with its real parts, a clock that is set, and no network.

What a client says comes in as decoded frames, and so does what Logic says; what the pod writes is
taken as a fast reader would, so that everything behind a frame runs that runs in a pod.
"""

from __future__ import annotations

from typing import Any, cast

from services.access.acks import AckKeeper
from services.access.client_stream import ClientStream
from services.access.departures import Departures
from services.access.drain_parts import DrainParts
from services.access.frames import DELIVER_BYTES, deliver
from services.access.head_checks import HeadChecks
from services.access.incoming import handle, set_app_state
from services.access.leaving import leave
from services.access.link import HighestId, Link
from services.access.links import Links
from services.access.refusals import StreamRefusedError
from services.access.requests import LogicRequests
from services.access.responses import LogicResponses
from services.access.rules import check_hello
from services.access.session_table import SessionTable
from services.access.settings import DrainSettings, StreamSettings
from services.access.shell.shell import Shell
from services.access.shell_settings import ShellSettings
from services.access.signal_desk import SignalDesk
from services.access.signal_requests import SignalRequests
from services.access.stream_services import StreamServices
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.router.v1 import router_pb2
from whimbrel.runtime.ticker import Deadlines
from whimbrel.runtime.token_keys import MIN_SECRET_BYTES

USER = "alice"
DEVICE = "phone"
SETTINGS = StreamSettings(window_messages=16, window_bytes=16 * 1024)


class FuzzedPod:
    """`say` and `hear` until `is_over`. Raises nothing but StreamRefusedError."""

    def __init__(self) -> None:
        self.now = 1000.0
        table, highest = SessionTable(), HighestId()
        self._links = Links(lambda pod: self._link)
        requests = LogicRequests(self._links, clock=self._clock, send_seconds=10.0)
        acks = AckKeeper(requests, self._confirm, clock=self._clock, flush_seconds=0.5)
        heads = HeadChecks(table, requests, clock=self._clock)
        signals = SignalDesk(table, SignalRequests(self._links), flush_seconds=0.5)
        self._responses = LogicResponses(
            self._links,
            table,
            acks,
            heads,
            signals,
            highest,
            clock=self._clock,
            commit_seconds=10.0,
        )
        self._link = Link(
            router_pb2.Pod(pod_id="logic-0", role=router_pb2.POD_ROLE_LOGIC),
            logic_pb2.LinkHello(pod_id="access-0", incarnation="a"),
            self._responses,
            highest,
            send_seconds=10.0,
            fetch_seconds=5.0,
        )
        parts = DrainParts.make(
            "access-0", bytes(MIN_SECRET_BYTES), table, DrainSettings(), clock=self._clock
        )
        nobody = cast(Any, None)  # a Router is asked by loops that do not run here
        self._services = StreamServices(
            SETTINGS,
            table,
            requests,
            acks,
            Departures(nobody, lambda stream: router_pb2.Session(), signals.gone),
            Deadlines(),
            parts.moves,
            signals,
            5.0,
            self._clock,
            Shell(ShellSettings(), clock=self._clock),
        )
        self._links._links["logic-0"] = self._link
        self._link.up = True
        self._links.refresh()
        self.stream = ClientStream(self._services, lambda: None)
        self.is_over = False

    def attach(self, hello: access_pb2.Hello) -> None:
        """What the handshake does, with a route and an empty backlog that come at once."""
        check_hello(hello)
        stream = self.stream
        stream.user_id, stream.device_id = USER, DEVICE
        stream.instance_id, stream.attempt, stream.epoch = hello.instance_id, hello.attempt, 7
        self._services.table.add(stream)
        cursor = hello.cursor if hello.HasField("cursor") else 0
        stream.session.attach(cursor, cursor, [], self.now)
        set_app_state(stream, hello.app_state, self.now)
        self._services.signals.open(stream, hello, self.now)
        stream.turn(self.now)

    def say(self, frame: access_pb2.ConnectRequest) -> None:
        """The client says this."""
        if not self.stream.has_room:
            return  # the reader would wait
        try:
            if not handle(self.stream, frame, self.now):
                self.stream.finish("bye")
        except StreamRefusedError as refusal:
            self.stream.close(refusal.code, refusal.detail, refusal.retry_after_ms)

    def hear(self, response: logic_pb2.LinkResponse) -> None:
        """Logic says this."""
        self._responses.on_response(self._link, response)

    def pass_time(self, seconds: float) -> None:
        """The clock goes on, and everything that is due is done."""
        self.now += seconds
        self.stream.on_deadline(self.now)

    def read(self) -> list[access_pb2.ConnectResponse]:
        """All that a reader who is fast gets now, serialized once as it would be."""
        stream, frames = self.stream, []
        while (frame := stream.outbound.take()) is not None:
            frames.append(frame)
        while stream.is_attached and stream.session.wants_write:
            items = stream.session.take_ready(self.now, DELIVER_BYTES)
            if stream.signals is not None:
                stream.signals.written(items)
            frames.append(deliver(items))
        stream.turn(self.now)
        if stream.signals is not None and (signal := stream.signals.queue.take()) is not None:
            frames.append(signal)
        if stream.final is not None:
            frames.append(stream.final)
            stream.finish("ended")
        for one in frames:
            one.SerializeToString()
        self.is_over = stream.is_over
        return frames

    def leave(self) -> None:
        """The stream has ended."""
        leave(self.stream)

    def _clock(self) -> float:
        return self.now

    def _confirm(self, user_id: str, device_id: str, cursor: int) -> None:
        self.stream.ack_stored(cursor)
