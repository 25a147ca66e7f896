"""What a drain controller tells Prometheus: of itself, of the plans that it leads, of the budget.

A plan's own series exist only while the plan holds its pod, and only at the leader, so that their
number is bounded by the pods that drain at the same time. Their label is `plan_pod`: `pod` is
what Prometheus calls the pod that was scraped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.core import Metric

from services.drain.attendance import AttendanceStatistics
from services.drain.domain.plans import Plan
from services.drain.tally import TallyStatistics, bounded_cause
from services.drain.usecases.lead import LeaderStatistics
from services.drain.usecases.reconcile import ReconcileStatistics
from whimbrel.core.drain.pacing import PaceStatistics
from whimbrel.runtime.metrics import Labelled, counter, gauge

_KINDS = ("kind", "cause")


def drain_metrics(
    leader: LeaderStatistics,
    attendance: AttendanceStatistics,
    reconcile: ReconcileStatistics,
    pace: PaceStatistics,
    held: Sequence[Plan],
    tally: TallyStatistics,
) -> Iterator[Metric]:
    """Every family of this role. `held`: the plans that hold a pod, none unless this controller
    leads."""
    yield from _own_metrics(leader, attendance, reconcile)
    yield from _budget_metrics(pace, held)
    yield from _plan_metrics(held)
    yield from _sums(tally)


def _own_metrics(
    leader: LeaderStatistics, attendance: AttendanceStatistics, reconcile: ReconcileStatistics
) -> Iterator[Metric]:
    yield gauge("whimbrel_drain_leads", "1 for the controller that leads, else 0.", leader.leads)
    yield gauge("whimbrel_drain_term", "Of the tenure that is known, whosever it is.", leader.term)
    yield counter(
        "whimbrel_drain_lease_failures_total",
        "Times that the lease could not be asked for or renewed.",
        leader.failures_in_all,
    )
    yield counter(
        "whimbrel_drain_watch_failures_total",
        "Times that the platform's watch broke or could not be opened.",
        reconcile.watch_failures,
    )
    yield gauge("whimbrel_drain_attending_pods", "Access pods with a stream.", attendance.attending)


def _budget_metrics(pace: PaceStatistics, held: Sequence[Plan]) -> Iterator[Metric]:
    yield gauge(
        "whimbrel_drain_budget_per_second",
        "Moves a second that targets, store and operator permit; when nothing drains, as of the"
        " last time that something did.",
        pace.ceiling_per_second,
    )
    yield gauge(
        "whimbrel_drain_pace_per_second",
        "Moves a second that the pace permits now, at most the budget.",
        pace.rate_per_second,
    )
    yield gauge(
        "whimbrel_drain_granted_per_second",
        "Moves a second that all plans are granted together.",
        sum(plan.rate_per_second for plan in held),
    )
    yield counter(
        "whimbrel_drain_pace_halvings_total",
        "Times that the pace was halved because a target suffered.",
        pace.halvings,
    )


def _plan_metrics(held: Sequence[Plan]) -> Iterator[Metric]:
    states = Counter((*_kind_of(plan), _state_of(plan)) for plan in held)
    yield gauge(
        "whimbrel_drain_plans",
        "Plans that hold a pod, by phase while they run and by outcome after that.",
        {labels: float(count) for labels, count in states.items()},
        labels=(*_KINDS, "state"),
    )
    yield gauge(
        "whimbrel_drain_plans_waiting",
        "Running plans that wait for room, for a target, or for other plans.",
        sum(bool(plan.waiting_for) for plan in held),
    )
    # Separate families and not one with a label: they overlap, so that their sum means nothing.
    yield _of_each("planned", "Sessions when the plan began.", held)
    yield _of_each("remaining", "Sessions that are still to go.", held)
    yield _of_each("moved", "Sessions that are attached elsewhere.", held)
    yield _of_each("deferred", "Times that a client asked for later.", held)
    yield _of_each("failed", "Moves that came to nothing.", held)
    yield _of_each("forced", "Sessions that were ended at the deadline.", held)


def _of_each(figure: str, text: str, held: Sequence[Plan]) -> Metric:
    """A figure of each plan; a pod has one plan at most."""
    values: Labelled = {(plan.pod_id, *_kind_of(plan)): getattr(plan, figure) for plan in held}
    return gauge(
        f"whimbrel_drain_plan_sessions_{figure}", text, values, labels=("plan_pod", *_KINDS)
    )


def _sums(tally: TallyStatistics) -> Iterator[Metric]:
    yield counter(
        "whimbrel_drain_plans_ended_total",
        "Plans that this controller has seen end.",
        {
            (one.kind.name.lower(), one.cause, one.outcome.name.lower()): count
            for one, count in tally.plans.items()
        },
        labels=(*_KINDS, "outcome"),
    )
    yield counter(
        "whimbrel_drain_ended_plan_sessions_total",
        "Sessions of those plans, by what became of them.",
        {
            (one.kind.name.lower(), one.cause, one.fate): count
            for one, count in tally.sessions.items()
        },
        labels=(*_KINDS, "fate"),
    )


def _kind_of(plan: Plan) -> tuple[str, str]:
    return plan.kind.name.lower(), bounded_cause(plan)


def _state_of(plan: Plan) -> str:
    return (plan.outcome or plan.phase).name.lower()
