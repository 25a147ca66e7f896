"""Between the contract and what the controller knows: reports and pods in, orders and plans out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.drain.attendance import Told
from services.drain.domain.facts import ProcessOf, Registered, Report
from services.drain.domain.grants import Share
from services.drain.domain.orders import Drain, Rest
from services.drain.domain.plans import Plan
from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.drain.pacing import TargetHealth
from whimbrel.core.drain.pod_drain_types import DrainPhase

_MOST_UINT32: Final = 2**32 - 1
_PHASES: Final[dict[int, DrainPhase]] = {phase.value: phase for phase in DrainPhase}


def report_of(request: drain_pb2.AttendRequest) -> Report:
    """What a pod says. A phase that is not known counts as ACTIVE: nothing is wanted of it."""
    return Report(
        pod_id=request.pod_id,
        incarnation=request.incarnation,
        term=request.term,
        phase=_PHASES.get(request.phase, DrainPhase.ACTIVE),
        plan_id=request.plan_id,
        sessions=request.sessions,
        planned=request.planned,
        moved=request.moved,
        deferred=request.deferred,
        failed=request.failed,
        forced=request.forced,
        arrivals_per_second=float(request.arrivals_per_second),
        stopping_in_seconds=request.stopping_in_ms / 1000 if request.stopping_in_ms else None,
        cause=request.cause,
        health=TargetHealth(
            arrivals=request.arrivals,
            refused_busy=request.refused_busy,
            attach_p99_ms=float(request.attach_p99_ms),
            loop_lag_ms=float(request.loop_lag_ms),
        ),
        process_of=_process_of(request.process_of) if request.HasField("process_of") else None,
    )


def registered_of(pod: router_pb2.Pod, now: float, wall_ms: int) -> Registered:
    """What the registry says of a pod. Its start is brought onto the clock of `now`; a pod that
    does not say it counts as old."""
    age_seconds = (wall_ms - pod.started_ms) / 1000 if pod.started_ms else 86_400.0
    return Registered(
        pod_id=pod.pod_id,
        role=role_name(pod.role),
        is_active=pod.state == router_pb2.POD_STATE_ACTIVE,
        endpoint=pod.client_endpoint,
        sessions=pod.sessions,
        revision=pod.revision,
        node=pod.node,
        zone=pod.zone,
        started_at=now - max(0.0, age_seconds),
        arrivals_per_second=float(pod.arrivals_per_second),
        max_sessions=pod.max_sessions,
    )


def role_name(role: router_pb2.PodRole.ValueType) -> str:
    """ "access", "logic", …"""
    if role not in router_pb2.PodRole.values():
        return "unknown"  # of a newer contract
    return router_pb2.PodRole.Name(role).removeprefix("POD_ROLE_").lower()


def order_to_wire(told: Told) -> drain_pb2.AttendResponse:
    """An order as it goes to the pod."""
    order = told.order
    if isinstance(order, Rest):
        return drain_pb2.AttendResponse(term=told.term, rest=drain_pb2.Rest())
    if isinstance(order, Drain):
        drain = drain_pb2.Drain(
            plan_id=order.plan_id,
            sessions_per_second=order.rate_per_second,
            deadline_ms=_milliseconds(order.deadline_seconds),
            targets=_targets(order.shares),
        )
        return drain_pb2.AttendResponse(term=told.term, drain=drain)
    shed = drain_pb2.Shed(
        plan_id=order.plan_id,
        count=order.sessions,
        sessions_per_second=order.rate_per_second,
        targets=_targets(order.shares),
    )
    return drain_pb2.AttendResponse(term=told.term, shed=shed)


def plan_to_wire(plan: Plan, now: float) -> drain_pb2.Plan:
    """A plan as operators see it."""
    left = 0.0 if plan.deadline_at is None or not plan.is_running else plan.deadline_at - now
    return drain_pb2.Plan(
        plan_id=plan.plan_id,
        kind=drain_pb2.PlanKind.ValueType(plan.kind),
        pod_id=plan.pod_id,
        cause=plan.cause,
        phase=drain_pb2.DrainPhase.ValueType(plan.phase),
        outcome=drain_pb2.PlanOutcome.ValueType(plan.outcome or 0),
        planned=plan.planned,
        remaining=plan.remaining,
        moved=plan.moved,
        deferred=plan.deferred,
        failed=plan.failed,
        forced=plan.forced,
        sessions_per_second=plan.rate_per_second,
        started_ms=plan.started_ms,
        ended_ms=plan.ended_ms,
        deadline_ms=_milliseconds(left),
        target_pod_ids=plan.target_pod_ids,
        waiting_for=plan.waiting_for,
    )


def _process_of(said: router_pb2.ProcessOf) -> ProcessOf:
    return ProcessOf(said.pod_id, said.incarnation, max(1, said.processes))


def _targets(shares: Iterable[Share]) -> list[drain_pb2.TargetShare]:
    return [
        drain_pb2.TargetShare(pod_id=one.pod_id, endpoint=one.endpoint, weight=one.weight)
        for one in shares
    ]


def _milliseconds(seconds: float) -> int:
    return min(_MOST_UINT32, max(0, round(seconds * 1000)))
