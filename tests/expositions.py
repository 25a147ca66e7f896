"""What each role shows to Prometheus when nothing goes on: for tests about names and labels."""

from __future__ import annotations

from typing import Final

from prometheus_client.core import Metric

from services.access.acks import AckStatistics
from services.access.arrivals import Arrivals
from services.access.metrics import access_metrics
from services.access.shell.metrics import shell_metrics
from services.access.shell.shell import Shell
from services.access.shell_settings import ShellSettings
from services.drain.attendance import AttendanceStatistics
from services.drain.domain.plans import Plan, PlanKind
from services.drain.metrics import drain_metrics
from services.drain.tally import Tally
from services.drain.usecases.lead import LeaderStatistics
from services.drain.usecases.reconcile import ReconcileStatistics
from services.logic.metrics import before_send_metrics, logic_metrics
from services.logic.usecases.pipeline import PipelineStatistics
from services.push.metrics import event_metrics, push_metrics
from services.push.usecases.judge_wakes import JudgeStatistics
from services.push.usecases.schedule_wakes import ScheduleStatistics
from services.push.usecases.send_wakes import LaneStatistics
from services.router.metrics import router_metrics
from whimbrel.core.drain.pacing import PaceStatistics
from whimbrel.core.drain.pod_drain import PodDrain


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


FAMILIES: Final[dict[str, list[Metric]]] = {
    "access": [
        *access_metrics(
            sessions=0,
            drain=PodDrain(),
            arrivals=Arrivals(12.0, 0.0),
            loop_lag_ms=0.0,
            acks=AckStatistics(kept=0, waiting=0),
            links=[],
            now=0.0,
        ),
        *shell_metrics(Shell(ShellSettings(), clock=lambda: 0.0)),
    ],
    "drain": _drain(),
    "logic": [
        *logic_metrics({"commit": PipelineStatistics(0, 0, 0, 0)}),
        *before_send_metrics({"allowed": 0}, is_open=False),
    ],
    "push": [
        *push_metrics(ScheduleStatistics(), JudgeStatistics(), {"apns": LaneStatistics()}, 0),
        *event_metrics({"delivered": 0}, 0),
    ],
    "router": list(router_metrics((), 0)),
}
"""By role."""

SERIES: Final[dict[str, str]] = {
    sample.name: role
    for role, families in FAMILIES.items()
    for family in families
    for sample in family.samples
} | {"whimbrel_service_info": "every"}
"""The role that shows it, by the name of the series as Prometheus stores it."""
