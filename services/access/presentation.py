"""How this pod shows itself: to the registry, to the controllers; and how it sees the others.

Conversions alone: generated messages on one side, the core's types on the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from services.access.arrivals import ArrivalFigures, Arrivals
from services.access.settings import AccessSettings
from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.drain.candidates import Candidate
from whimbrel.core.drain.grace import GOODBYE_SECONDS
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.runtime.pod_processes import fold_processes

_STATES: Final = {
    DrainPhase.ACTIVE: router_pb2.POD_STATE_ACTIVE,
    DrainPhase.CORDONED: router_pb2.POD_STATE_CORDONED,
}


def describe(
    settings: AccessSettings, phase: DrainPhase, arrivals: Arrivals, sessions: int
) -> router_pb2.Pod:
    """For the registry, without the pod's names and addresses."""
    return router_pb2.Pod(
        role=router_pb2.POD_ROLE_ACCESS,
        revision=settings.pod.revision,
        node=settings.pod.node,
        zone=settings.pod.zone,
        state=_STATES.get(phase, router_pb2.POD_STATE_DRAINING),
        sessions=sessions,
        arrivals_per_second=round(arrivals.per_second),
        max_sessions=settings.drain.max_sessions,
    )


def report(
    drain: PodDrain, figures: ArrivalFigures, loop_lag_ms: float, now: float
) -> drain_pb2.AttendRequest:
    """For the controllers, without the pod's names and sessions."""
    counts = drain.statistics()
    # Its own deadline, never the ordered one: that is derived from this, and would come nearer by
    # the time of a goodbye with every report.
    ends_in = drain.stop_deadline + GOODBYE_SECONDS - now
    return drain_pb2.AttendRequest(
        term=counts.term,
        phase=drain_pb2.DrainPhase.ValueType(counts.phase),
        plan_id=counts.plan_id,
        planned=counts.planned,
        advised=counts.advised,
        moved=counts.moved,
        deferred=counts.deferred,
        failed=counts.failed,
        forced=counts.forced,
        arrivals=figures.arrivals,
        refused_busy=figures.refused_busy,
        attach_p99_ms=round(figures.attach_p99_ms),
        loop_lag_ms=round(loop_lag_ms),
        stopping_in_ms=max(1, round(ends_in * 1000)) if ends_in < math.inf else 0,
        cause=drain.cause,
    )


def process_of(settings: AccessSettings) -> router_pb2.ProcessOf | None:
    """What the process says of its pod, to both; None when it is the whole pod."""
    own = settings.access
    if not own.has_parent:
        return None
    return router_pb2.ProcessOf(
        pod_id=own.process_of, incarnation=own.incarnation, processes=own.processes
    )


def candidates(pods: Iterable[router_pb2.Pod], now: float, wall_now: float) -> list[Candidate]:
    """The Access pods of a table. `now` is monotonic, `wall_now` seconds since the Unix epoch."""
    return [
        Candidate(
            pod_id=pod.pod_id,
            endpoint=pod.client_endpoint,
            sessions=pod.sessions,
            revision=pod.revision,
            node=pod.node,
            zone=pod.zone,
            started_at=now - max(0.0, wall_now - pod.started_ms / 1000),
            is_open=pod.state == router_pb2.POD_STATE_ACTIVE,
            arrivals_per_second=float(pod.arrivals_per_second),
            max_sessions=pod.max_sessions,
        )
        for pod in fold_processes(pods)
        if pod.role == router_pb2.POD_ROLE_ACCESS
    ]
