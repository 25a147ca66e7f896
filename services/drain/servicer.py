"""The inbound edge: pods attend, operators ask."""

# ruff: noqa: N802 - the contract names the methods

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

import grpc

from services.drain.attendance import Attendance, Attendee
from services.drain.domain.planner import Planner
from services.drain.translate import order_to_wire, plan_to_wire, report_of
from services.drain.usecases.lead import Leader
from services.drain.usecases.operate import Operate
from services.drain.usecases.reconcile import Reconcile
from whimbrel.api.drain.v1 import drain_pb2, drain_pb2_grpc
from whimbrel.runtime.logs import get_logger

if TYPE_CHECKING:  # generic only in the stubs
    Context = grpc.aio.ServicerContext[Any, Any]

_log = get_logger(__name__)

_WATCH_SECONDS: Final = 0.5
_FIRST_REPORT_SECONDS: Final = 10.0


class DrainServicer(drain_pb2_grpc.DrainServiceServicer):
    """DrainService of one controller."""

    def __init__(
        self,
        attendance: Attendance,
        leader: Leader,
        reconcile: Reconcile,
        planner: Planner,
        operate: Operate,
        clock: Callable[[], float],
    ) -> None:
        self._attendance = attendance
        self._leader = leader
        self._reconcile = reconcile
        self._planner = planner
        self._operate = operate
        self._clock = clock
        self._stopping = asyncio.Event()

    async def close(self) -> None:
        """The controller stops: end the long streams."""
        self._stopping.set()
        await self._attendance.close()

    # The stubs know only the form that yields; this one reads and writes on the context.
    async def Attend(self, request_iterator: Any, context: Any) -> None:  # type: ignore[override]
        """One pod's stream: its reports in, the latest order out."""
        requests = aiter(request_iterator)
        try:
            async with asyncio.timeout(_FIRST_REPORT_SECONDS):
                first = await anext(requests, None)
        except TimeoutError:
            return  # it never said who it is
        if first is None:
            return
        attendee = self._attendance.join(report_of(first))
        _log.info("pod_attended", pod=attendee.pod_id, incarnation=first.incarnation)
        self._reconcile.soon()
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(requests, attendee))
                while (told := await attendee.wait_order()) is not None:
                    await context.write(order_to_wire(told))
                reader.cancel()
        finally:
            self._attendance.leave(attendee)
            _log.info("pod_left", pod=attendee.pod_id)

    async def StartDrain(
        self, request: drain_pb2.StartDrainRequest, context: Context
    ) -> drain_pb2.StartDrainResponse:
        drained = self._operate.start_drain(
            request.pod_id, request.deadline_ms / 1000, force=request.force
        )
        return drain_pb2.StartDrainResponse(
            plan=plan_to_wire(drained.plan, self._clock()), warnings=drained.warnings
        )

    async def AbortDrain(
        self, request: drain_pb2.AbortDrainRequest, context: Context
    ) -> drain_pb2.AbortDrainResponse:
        plan = self._operate.abort_drain(request.pod_id)
        return drain_pb2.AbortDrainResponse(plan=plan_to_wire(plan, self._clock()))

    async def ListPlans(
        self, request: drain_pb2.ListPlansRequest, context: Context
    ) -> drain_pb2.ListPlansResponse:
        return self._plans()

    async def WatchPlans(
        self, request: drain_pb2.WatchPlansRequest, context: Context
    ) -> AsyncIterator[drain_pb2.WatchPlansResponse]:
        sent: drain_pb2.ListPlansResponse | None = None
        while not self._stopping.is_set():
            plans = self._plans()
            if plans != sent:
                sent = plans
                yield drain_pb2.WatchPlansResponse(plans=plans)
            try:
                async with asyncio.timeout(_WATCH_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                await self._reconcile.wait_plans()

    async def RestartRollout(
        self, request: drain_pb2.RestartRolloutRequest, context: Context
    ) -> drain_pb2.RestartRolloutResponse:
        revision = await self._operate.restart(request.role, request.surge)
        return drain_pb2.RestartRolloutResponse(revision=revision)

    async def Scale(
        self, request: drain_pb2.ScaleRequest, context: Context
    ) -> drain_pb2.ScaleResponse:
        scaled = await self._operate.scale(request.role, request.replicas)
        return drain_pb2.ScaleResponse(previous=scaled.previous, leaving_pod_ids=scaled.leaving)

    async def _read(
        self, requests: AsyncIterator[drain_pb2.AttendRequest], attendee: Attendee
    ) -> None:
        async for request in requests:
            self._attendance.take(attendee, report_of(request))
        attendee.close()

    def _plans(self) -> drain_pb2.ListPlansResponse:
        now = self._clock()
        return drain_pb2.ListPlansResponse(
            plans=[plan_to_wire(plan, now) for plan in self._planner.book.listed()],
            leads=self._leader.leads,
            term=self._leader.term,
            leader=self._leader.holder,
        )
