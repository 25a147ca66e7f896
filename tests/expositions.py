"""What each role shows to Prometheus when nothing goes on: for tests about names and labels."""

from __future__ import annotations

from typing import Final

from prometheus_client.core import Metric

from services.access.acks import AckStatistics
from services.access.arrivals import Arrivals
from services.access.metrics import access_metrics
from services.access.processes.pod_metrics import starts_metric
from services.access.shell.metrics import shell_metrics
from services.access.shell.shell import Shell
from services.access.shell_settings import ShellSettings
from services.access.tally import StreamTally
from services.drain.attendance import AttendanceStatistics
from services.drain.domain.plans import Plan, PlanKind
from services.drain.metrics import drain_metrics
from services.drain.tally import Tally
from services.drain.usecases.lead import LeaderStatistics
from services.drain.usecases.reconcile import ReconcileStatistics
from services.gateway.metrics import HttpLoad, gateway_metrics
from services.logic.domain.audit import Wrong
from services.logic.metrics import (
    audit_metrics,
    before_send_metrics,
    commit_metrics,
    logic_metrics,
    outbox_metrics,
)
from services.logic.usecases.pipeline import PipelineStatistics
from services.logic.usecases.place_entries import PlaceEntries
from services.logic.usecases.read_timeline import ReadTimeline
from services.logic.usecases.run_audit import AuditStatistics
from services.logic.webhook_ports import OutboxState
from services.push.lane import LaneStatistics
from services.push.metrics import event_metrics, push_metrics
from services.push.usecases.judge_wakes import JudgeStatistics
from services.push.usecases.schedule_wakes import ScheduleStatistics
from services.router.load import RouterLoad
from services.router.metrics import router_metrics
from whimbrel.core.drain.pacing import PaceStatistics
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.runtime.call_load import CallLoad, call_metrics
from whimbrel.runtime.callers import Callers, caller_metrics
from whimbrel.runtime.service_metrics import service_metrics
from whimbrel.runtime.tls_settings import TlsSettings
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.seq_reservations import MemorySeqReservations
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore


def _drain() -> list[Metric]:
    return list(
        drain_metrics(
            LeaderStatistics(leads=True, term=1, holder="drain-0", failures=0, failures_in_all=0),
            AttendanceStatistics(attending=0, reports=0, orders=0, replaced=0),
            ReconcileStatistics(looks=0, views=0, watch_failures=0),
            PaceStatistics(rate_per_second=0.0, ceiling_per_second=0.0, halvings=0),
            [Plan("p", PlanKind.DRAIN, "access-0", "operator", started_ms=1)],
            Tally().statistics(),
        )
    )


def _commits() -> list[Metric]:
    timelines = MemoryTimelineStore()
    placer = PlaceEntries(timelines, MemorySeqReservations(), clock=float)
    return list(commit_metrics(placer, ReadTimeline(timelines, MemoryMessageStore(), clock=float)))


def _gateway() -> list[Metric]:
    load = HttpLoad()
    load.answered("GET", 200, 0.01)
    return list(gateway_metrics(load))


def _calls() -> list[Metric]:
    load = CallLoad()
    load.count("SocialService.ListFriends", "ok", 0.01)
    return list(call_metrics(load))


EVERY: Final[list[Metric]] = [
    *service_metrics(0.0, {}),
    *_calls(),
    *caller_metrics(Callers(TlsSettings())),
]
"""What all roles show."""

FAMILIES: Final[dict[str, list[Metric]]] = {
    "access": [
        starts_metric({1: 1}),
        *access_metrics(
            sessions=0,
            drain=PodDrain(),
            arrivals=Arrivals(12.0, 0.0),
            loop_lag_ms=0.0,
            acks=AckStatistics(kept=0, waiting=0),
            revocations=(0, 0.0),
            links=[],
            streams=StreamTally().figures([], 256)._replace(ended={"gone": 0}),
            now=0.0,
        ),
        *shell_metrics(Shell(ShellSettings(), clock=lambda: 0.0)),
    ],
    "drain": _drain(),
    "gateway": _gateway(),
    "logic": [
        *_commits(),
        *logic_metrics({"commit": PipelineStatistics(0, 0, 0, 0)}),
        *before_send_metrics({"allowed": 0}, is_open=False),
        *audit_metrics(AuditStatistics({kind.value: 0 for kind in Wrong}, 0, 0, 0, 0, 0.0)),
        *outbox_metrics(OutboxState(0, 0, 0, 0), 0.0),
    ],
    "push": [
        *push_metrics(ScheduleStatistics(), JudgeStatistics(), {"apns": LaneStatistics()}, 0),
        *event_metrics({"delivered": 0}, 0),
    ],
    "router": list(router_metrics((), 0, RouterLoad())),
}
"""By role."""

SERIES: Final[dict[str, str]] = {
    sample.name: role
    for role, families in {**FAMILIES, "every": EVERY}.items()
    for family in families
    for sample in family.samples
} | {"whimbrel_service_info": "every"}
"""The role that shows it, by the name of the series as Prometheus stores it."""
