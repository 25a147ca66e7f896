"""Facts for the planner: a cluster as the platform, the registry and the pods' reports tell it."""

from __future__ import annotations

from services.drain.domain.facts import Cluster, Registered, Report, merge
from services.drain.domain.orders import Drain
from services.drain.domain.planner import Planner
from services.drain.ports import PlatformPod, PlatformView, Workload
from whimbrel.core.drain.pod_drain_types import DrainPhase

WALL_MS = 1_800_000_000_000


def cluster(
    sessions: dict[str, int],
    *,
    deleted: dict[str, float] | None = None,
    wanted: tuple[str, ...] = (),
    following: dict[str, tuple[DrainPhase, str]] | None = None,
    max_sessions: int = 0,
    replicas: int | None = None,
    revisions: dict[str, str] | None = None,
) -> Cluster:
    deleted, following, revisions = deleted or {}, following or {}, revisions or {}
    reports = {}
    for pod_id, held in sessions.items():
        phase, plan_id = following.get(pod_id, (DrainPhase.ACTIVE, ""))
        reports[pod_id] = Report(pod_id, "run", phase=phase, plan_id=plan_id, sessions=held)
    view = PlatformView(
        tuple(
            PlatformPod(
                pod_id,
                "access",
                revisions.get(pod_id, "r1"),
                ready=pod_id not in deleted,
                deleted_in_seconds=deleted.get(pod_id),
                drain_wanted=pod_id in wanted,
            )
            for pod_id in sessions
        ),
        (Workload("access", len(sessions) if replicas is None else replicas, "r1"),),
    )
    registered = [
        Registered(pod_id, "access", endpoint=f"{pod_id}:1", max_sessions=max_sessions)
        for pod_id in sessions
    ]
    return merge(view, registered, reports)


def drain_of(planner: Planner, known: Cluster, pod_id: str, now: float = 1000.0) -> Drain:
    order = planner.step(known, now, WALL_MS).orders[pod_id]
    assert isinstance(order, Drain)
    return order
