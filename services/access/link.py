"""One long stream to one Logic pod, kept open: connect, write what is ready, read, again.

It carries; what the batches mean is for whoever handles `LinkEvents`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import grpc

from services.access.link_outbox import LinkOutbox
from services.access.pending import (
    PendingAttach,
    PendingFetch,
    PendingSend,
    PendingStatistics,
    PendingTable,
)
from whimbrel.api.logic.v1 import logic_pb2, logic_pb2_grpc
from whimbrel.api.router.v1 import router_pb2
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.tls import Dial

if TYPE_CHECKING:
    from services.access.send_traces import SendTrace

_log = get_logger(__name__)

_CONNECT_SECONDS: Final = 5.0
_FIRST_BACKOFF_SECONDS: Final = 0.05
_LONGEST_BACKOFF_SECONDS: Final = 1.0
_LINK_GONE = (grpc.aio.AioRpcError, grpc.aio.BaseError, asyncio.InvalidStateError, TimeoutError)


class LinkEvents(Protocol):
    """What happens on links. Called in the link's task; must be quick and not wait."""

    def on_up(self, link: Link) -> None:
        """Logic has answered the hello."""

    def on_response(self, link: Link, response: logic_pb2.LinkResponse) -> None:
        """A batch has come."""

    def on_down(self, link: Link) -> None:
        """The link broke; what is pending on it will not be answered."""

    def on_traced(self, traces: Sequence[SendTrace], began: float) -> None:
        """A batch with these messages was written; `began` is monotonic seconds."""


class HighestId:
    """The highest message_id that this pod has seen (rule 7)."""

    def __init__(self) -> None:
        self.value = 0

    def see(self, message_id: int) -> None:
        """Remember it if it is higher."""
        self.value = max(self.value, message_id)


class Link:
    """The link to one process of one Logic pod."""

    def __init__(
        self,
        pod: router_pb2.Pod,
        hello: logic_pb2.LinkHello,
        events: LinkEvents,
        highest: HighestId,
        *,
        send_seconds: float,
        fetch_seconds: float,
        dial: Dial = open_channel,
    ) -> None:
        self.pod = pod
        self.up = False
        self.outbox = LinkOutbox()
        self.sends: PendingTable[PendingSend] = PendingTable(send_seconds)
        self.fetches: PendingTable[PendingFetch] = PendingTable(fetch_seconds)
        self.attaches: dict[int, PendingAttach] = {}
        self.stub: logic_pb2_grpc.LogicServiceStub | None = None
        self._hello = hello
        self._events = events
        self._highest = highest
        self._dial = dial

    @property
    def pod_id(self) -> str:
        """The pod at the other end."""
        return self.pod.pod_id

    def statistics(self) -> PendingStatistics:
        """What waits at this moment."""
        return PendingStatistics(len(self.sends), len(self.fetches), len(self.attaches))

    async def run(self, is_wanted: Callable[[], bool]) -> None:
        """Keep the link open until it breaks and is not wanted any more."""
        async with self._dial(self.pod.address) as channel:
            self.stub = logic_pb2_grpc.LogicServiceStub(channel)
            failures = 0
            while is_wanted():
                was_up = await self._live_once(self.stub)
                failures = 0 if was_up else failures + 1
                ceiling = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2.0**failures)
                await asyncio.sleep(ceiling * (0.5 + 0.5 * random.random()))

    async def _live_once(self, stub: logic_pb2_grpc.LogicServiceStub) -> bool:
        """One life of the stream; whether it ever was up."""
        was_up = False
        call = stub.Link()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await call.write(
                    logic_pb2.LinkRequest(hello=self._hello, highest_message_id=self._highest.value)
                )
                first = await call.read()
            if isinstance(first, logic_pb2.LinkResponse):
                was_up = True
                self._come_up(first)
                async with asyncio.TaskGroup() as tasks:
                    writing = tasks.create_task(self._write(call))
                    await self._read(call)
                    writing.cancel()
        except* _LINK_GONE as group:
            _log.debug("link_failed", logic=self.pod_id, error=repr(group.exceptions[0]))
        finally:
            call.cancel()
            if was_up:
                self._go_down()
        return was_up

    def _come_up(self, first: logic_pb2.LinkResponse) -> None:
        self.outbox.clear()
        self.up = True
        _log.info("link_up", logic=self.pod_id, incarnation=self.pod.incarnation)
        self._events.on_up(self)
        self._events.on_response(self, first)

    def _go_down(self) -> None:
        self.up = False
        self.outbox.clear()
        _log.info("link_down", logic=self.pod_id, incarnation=self.pod.incarnation)
        self._events.on_down(self)

    # The stubs give these calls a type that only exists in the stubs.
    async def _write(self, call: Any) -> None:
        while True:
            batch = await self.outbox.take()
            batch.highest_message_id = self._highest.value
            traced = self.outbox.take_traced(batch)
            began = time.monotonic() if traced else 0.0
            await call.write(batch)
            if traced:
                self._events.on_traced(traced, began)

    async def _read(self, call: Any) -> None:
        while isinstance(response := await call.read(), logic_pb2.LinkResponse):
            self._highest.see(response.highest_message_id)
            self._events.on_response(self, response)
