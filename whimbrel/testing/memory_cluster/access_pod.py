"""One process of an Access pod, wired as services.access.bootstrap wires it, without gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, cast

from services.access.acks import AckKeeper
from services.access.client_stream import ClientStream
from services.access.departures import Departures
from services.access.drain_parts import DrainParts
from services.access.handshake import Handshake, PodIdentity
from services.access.head_checks import HeadChecks
from services.access.kicks import Kicks
from services.access.leaving import leave
from services.access.link import HighestId, Link
from services.access.links import Links
from services.access.requests import LogicRequests
from services.access.responses import LogicResponses
from services.access.routes import Routes
from services.access.session_table import SessionTable
from services.access.settings import DeviceSettings, DrainSettings, StreamSettings
from services.access.shell.shell import Shell
from services.access.shell_settings import ShellSettings
from services.access.signal_desk import SignalDesk
from services.access.signal_requests import SignalRequests
from services.access.stream_driver import StreamDriver
from services.access.stream_services import StreamServices
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.names import UserId
from whimbrel.runtime.ticker import Deadlines
from whimbrel.runtime.token_keys import MIN_SECRET_BYTES
from whimbrel.runtime.tokens import Claims, TokenVerifier
from whimbrel.testing.memory_cluster.process import Process
from whimbrel.testing.memory_cluster.router import MemoryRouter
from whimbrel.testing.memory_cluster.streams import ClientEnd, Delay, ServerEnd

OpenLink = Callable[[router_pb2.Pod], ClientEnd]

_UNLIMITED = ShellSettings(
    user_messages_per_second=0,
    conversation_messages_per_second=0,
    frames_per_second=0,
    bytes_per_second=0,
)


class _Tokens:
    """A token is the user's name."""

    def verify(self, token: str) -> Claims:
        return Claims(UserId(token), float("inf"))


class _Stub:
    """What Link needs of LogicServiceStub."""

    def __init__(self, pod: router_pb2.Pod, open_link: OpenLink) -> None:
        self._pod = pod
        self._open_link = open_link

    def Link(self) -> ClientEnd:  # noqa: N802 - the contract's name
        return self._open_link(self._pod)


class MemoryLink(Link):
    """A Link over memory streams; everything but the channel is the product's."""

    open_link: OpenLink
    random: Random

    async def run(self, is_wanted: Callable[[], bool]) -> None:
        """As Link.run, without a channel."""
        failures = 0
        while is_wanted():
            was_up = await self._live_once(cast(Any, _Stub(self.pod, self.open_link)))
            failures = 0 if was_up else failures + 1
            ceiling = min(1.0, 0.05 * 2.0**failures)
            await asyncio.sleep(ceiling * (0.5 + 0.5 * self.random.random()))


class AccessPod:
    """An Access process: start it once, kill it at any time."""

    def __init__(
        self,
        pod_id: str,
        incarnation: str,
        router: MemoryRouter,
        open_link: OpenLink,
        tasks: asyncio.TaskGroup,
        random: Random,
        settings: StreamSettings,
        on_crash: Callable[[str], None],
    ) -> None:
        self.pod_id = pod_id
        self.process = Process(tasks, on_crash)
        clock = asyncio.get_running_loop().time
        stub = cast(Any, router)
        self.table = table = SessionTable()
        highest = HighestId()
        deadlines: Deadlines[ClientStream] = Deadlines()

        def make_link(pod: router_pb2.Pod) -> Link:
            link = MemoryLink(
                pod,
                logic_pb2.LinkHello(pod_id=pod_id, incarnation=incarnation),
                responses,
                highest,
                send_seconds=settings.send_seconds,
                fetch_seconds=settings.fetch_seconds,
            )
            link.open_link, link.random = open_link, random
            return link

        def on_stored(user_id: str, device_id: str, cursor: int) -> None:
            for stream in table.of_device(user_id, device_id):
                stream.ack_stored(cursor)

        self.links = links = Links(make_link)
        requests = LogicRequests(links, clock=clock, send_seconds=settings.send_seconds)
        acks = AckKeeper(requests, on_stored, clock=clock, flush_seconds=settings.ack_flush_seconds)
        head_checks = HeadChecks(table, requests, clock=clock)
        signals = SignalDesk(table, SignalRequests(links), flush_seconds=settings.ack_flush_seconds)
        responses = LogicResponses(
            links,
            table,
            acks,
            head_checks,
            signals,
            highest,
            clock=clock,
            commit_seconds=settings.send_seconds,
        )
        self.routes = routes = Routes(
            stub,
            table,
            head_checks,
            Kicks(pod_id, table, requests),
            DeviceSettings(),
            pod_id=pod_id,
            incarnation=incarnation,
            assert_seconds=settings.assert_seconds,
            clock=clock,
        )
        departures = Departures(
            stub, lambda stream: routes.session_of(stream, stream.epoch), signals.gone
        )
        drain = DrainSettings()
        parts = DrainParts.make(
            pod_id,
            bytes(MIN_SECRET_BYTES),
            table,
            drain,
            clock=clock,
            wall_clock=clock,
            tokens=cast(TokenVerifier, _Tokens()),
        )
        self._handshake = Handshake(
            PodIdentity(pod_id, incarnation), parts.admission, routes, lambda user_id: [pod_id]
        )
        self._services = StreamServices(
            settings,
            table,
            requests,
            acks,
            departures,
            deadlines,
            parts.moves,
            signals,
            drain.linger_seconds,
            clock,
            Shell(_UNLIMITED, clock=clock),
        )
        self._loops = (
            links.run,
            requests.run_expiry,
            routes.run_attaches,
            routes.run_asserts,
            head_checks.run,
            acks.run,
            signals.run,
            signals.run_watches,
            departures.run,
            lambda: deadlines.run(clock, lambda stream: stream.on_deadline(clock())),
        )

    def start(self, pods: Mapping[str, router_pb2.Pod]) -> None:
        """Run the loops; `pods` is what the registry says."""
        for loop in self._loops:
            self.process.spawn(loop())
        self.links.see(pods)

    def connect(self, delay: Delay) -> ClientEnd:
        """What AccessServiceStub.Connect returns."""
        return self.process.open(self._serve, delay)

    async def _serve(self, end: ServerEnd) -> None:
        driver = StreamDriver(self._services, self._handshake, end)
        try:
            await driver.run()
        finally:
            leave(driver.stream)
