"""This pod's routes at the Router: attach (batched), re-assert all (rule 12).

Detaching is in `departures`. The Router decides who holds a device; here its answer is only
applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import grpc

from services.access import fencing
from services.access.attach_call import AttachCall
from services.access.client_stream import ClientStream
from services.access.head_checks import HeadChecks
from services.access.kicks import Kicks
from services.access.leaving import leave
from services.access.session_table import SessionTable
from services.access.settings import DeviceSettings
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.batcher import Batcher
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

MAX_SESSIONS: Final = 1_000
"""The Router's bound for one call."""
_CALL_SECONDS: Final = 3.0
_CONCURRENT_CALLS: Final = 4
_RETRY_SECONDS: Final = 1.0
_APART_SECONDS: Final = 0.01
"""Between the beginnings of two batches of attaches. Who is in one stays together all the way: a
frame to the Router, one to Logic, its queries and its write, the frames back."""


class _Wish(NamedTuple):
    stream: ClientStream
    session: router_pb2.Session


class Routes:
    """Attach and assert. One per pod."""

    def __init__(
        self,
        router: router_pb2_grpc.RouterServiceStub,
        table: SessionTable,
        head_checks: HeadChecks,
        kicks: Kicks,
        devices: DeviceSettings,
        *,
        pod_id: str,
        incarnation: str,
        assert_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._router = router
        self._call = AttachCall(router, clock=clock)
        self._table = table
        self._head_checks = head_checks
        self._kicks = kicks
        self._devices = devices
        self._pod_id = pod_id
        self._incarnation = incarnation
        self._assert_seconds = assert_seconds
        self._assert_now = asyncio.Event()
        self._batcher: Batcher[_Wish, router_pb2.Attachment] = Batcher(
            self._attach_all,
            max_items=MAX_SESSIONS,
            max_waiting=20_000,
            name="attach",
            apart_seconds=_APART_SECONDS,
        )

    def session_of(self, stream: ClientStream, epoch: int) -> router_pb2.Session:
        """What the Router is told about a stream."""
        return router_pb2.Session(
            user_id=stream.user_id,
            device_id=stream.device_id,
            pod_id=self._pod_id,
            incarnation=self._incarnation,
            instance_id=stream.instance_id,
            attempt=stream.attempt,
            epoch=epoch,
            platform=stream.platform,
            platform_limit=self._devices.limit_of(stream.platform),
            over_limit=(
                router_pb2.OVER_LIMIT_REFUSE
                if self._devices.refuses(stream.platform)
                else router_pb2.OVER_LIMIT_KICK_OLDEST
            ),
        )

    async def attach(
        self, stream: ClientStream, known_epoch: int, ticket_epoch: int = 0
    ) -> router_pb2.Attachment:
        """Point the device's route to this pod; sets `stream.epoch`. With `ticket_epoch` only if
        the device is still attached with that one. Raises WhimbrelError."""
        session = self.session_of(stream, known_epoch)
        session.ticket_epoch = ticket_epoch
        return await self._batcher.submit(_Wish(stream, session))

    async def run_attaches(self) -> None:
        """Form the batches, until cancelled."""
        try:
            await self._batcher.run()
        finally:
            self._call.close()

    async def _attach_all(self, wishes: list[_Wish]) -> list[router_pb2.Attachment]:
        attachments = await self._call.ask([wish.session for wish in wishes])
        for wish, attachment in zip(wishes, attachments, strict=True):
            # Before anything waits again: a stream that ended meanwhile still has a route now,
            # and has taken the place of others all the same.
            wish.stream.epoch = attachment.epoch
            fencing.kick(wish.stream, 0)
            self._kicks.tell(wish.stream.user_id, attachment.kicked)
            if wish.stream.is_over:
                leave(wish.stream)
        return attachments

    def assert_soon(self) -> None:
        """The registry has lost something: say everything again now."""
        self._assert_now.set()

    async def run_asserts(self) -> None:
        """Re-assert every so often and when asked, until cancelled."""
        wait = self._assert_seconds
        while True:
            try:
                async with asyncio.timeout(wait):
                    await self._assert_now.wait()
            except TimeoutError:
                pass
            self._assert_now.clear()
            wait = self._assert_seconds if await self._assert_all() else _RETRY_SECONDS
            self._head_checks.request()

    async def _assert_all(self) -> bool:
        streams = [s for s in self._table if s.epoch and not (s.is_superseded or s.is_kicked)]
        batches = [streams[i : i + MAX_SESSIONS] for i in range(0, len(streams), MAX_SESSIONS)]
        gate = asyncio.Semaphore(_CONCURRENT_CALLS)
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(self._assert_batch(batch, gate)) for batch in batches]
        return all(call.result() for call in calls)

    async def _assert_batch(self, streams: Sequence[ClientStream], gate: asyncio.Semaphore) -> bool:
        async with gate:
            sessions = [self.session_of(stream, stream.epoch) for stream in streams]
            try:
                answer = await self._router.Assert(
                    router_pb2.AssertRequest(sessions=sessions), timeout=_CALL_SECONDS
                )
            except grpc.aio.AioRpcError as error:
                check_cancelled()
                _log.warning("assert_failed", sessions=len(streams), status=error.code().name)
                return False
        for stream, assertion in zip(streams, answer.assertions, strict=False):
            if assertion.epoch > stream.epoch and not assertion.instance_id:
                # Nobody holds the device: the notice did not come.
                fencing.kick(stream, assertion.epoch)
            else:
                fencing.supersede(stream, assertion.epoch, assertion.instance_id)
            if stream.is_over:
                # It left while the assert was underway, which may have written its route again.
                leave(stream)
        return True
