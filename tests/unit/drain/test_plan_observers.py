"""Who watches plans from one look to the next: sums, figures, spans."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from services.drain.adapters.plan_observer_otel import PlanSpans
from services.drain.attendance import AttendanceStatistics
from services.drain.domain.plans import Plan, PlanKind, PlanOutcome
from services.drain.metrics import drain_metrics
from services.drain.tally import Tally
from services.drain.usecases.lead import LeaderStatistics
from services.drain.usecases.reconcile import ReconcileStatistics
from tests.scraping import Scrape, samples, value
from whimbrel.core.drain.pacing import PaceStatistics
from whimbrel.core.drain.pod_drain_types import DrainPhase

WALL_MS = 1_800_000_000_000
NS = 1_000_000


def plan(pod_id: str = "access-0", cause: str = "operator", **fields: object) -> Plan:
    made = Plan(f"{cause}@{pod_id}", PlanKind.DRAIN, pod_id, cause, started_ms=WALL_MS)
    for name, changed in fields.items():
        setattr(made, name, changed)
    return made


def end(one: Plan, outcome: PlanOutcome, after_ms: int) -> None:
    one.outcome, one.ended_ms = outcome, WALL_MS + after_ms


def shown(held: Sequence[Plan], tally: Tally | None = None) -> Scrape:
    return samples(
        drain_metrics(
            LeaderStatistics(leads=True, term=7, holder="drain-0", failures=1, failures_in_all=3),
            AttendanceStatistics(attending=2, reports=40, orders=20, replaced=0),
            ReconcileStatistics(looks=9, views=4, watch_failures=5),
            PaceStatistics(rate_per_second=50.0, ceiling_per_second=80.0, halvings=2),
            held,
            (tally or Tally()).statistics(),
        )
    )


class Spans:
    """PlanSpans, and what came out of it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.observer = PlanSpans(provider.get_tracer("test"))

    def see(self, held: Sequence[Plan] = (), ended: Sequence[Plan] = (), *, at: int = 0) -> None:
        self.observer.see(held, ended, WALL_MS + at)

    def finished(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()


def events(span: ReadableSpan) -> list[tuple[str, int]]:
    """Names, and milliseconds since the plan's start."""
    return [(event.name, event.timestamp // NS - WALL_MS) for event in span.events]


# --- sums and figures ----------------------------------------------------------------


def test_a_plan_is_summed_once_when_it_ends() -> None:
    tally = Tally()
    one = plan(moved=90, deferred=4, failed=3, forced=10)
    tally.see([one], [], WALL_MS)
    assert not any(tally.statistics().plans.values())
    end(one, PlanOutcome.DONE, 100)
    tally.see([one], [one], WALL_MS)
    tally.see([one], [], WALL_MS)  # it holds its pod still
    seen = shown([], tally)
    labels = {"kind": "drain", "cause": "operator"}
    assert value(seen, "whimbrel_drain_plans_ended_total", **labels, outcome="done") == 1
    fates = {
        fate: value(seen, "whimbrel_drain_ended_plan_sessions_total", **labels, fate=fate)
        for fate in ("moved", "deferred", "failed", "forced")
    }
    assert fates == {"moved": 90, "deferred": 4, "failed": 3, "forced": 10}


def test_causes_that_pods_make_up_are_one_series() -> None:
    tally = Tally()
    before = shown([], tally)
    made_up = [plan(f"access-{number}", f"cause-{number}") for number in range(20)]
    held = shown(made_up)
    for one in made_up:
        end(one, PlanOutcome.DONE, 1)
    tally.see([], made_up, WALL_MS)
    seen = shown([], tally)
    labels = {"kind": "drain", "cause": "other"}
    assert value(held, "whimbrel_drain_plans", **labels, state="active") == 20
    assert value(seen, "whimbrel_drain_plans_ended_total", **labels, outcome="done") == 20
    assert seen.keys() == before.keys(), "and all of them were there, at 0, before"


def test_each_plan_has_figures_of_its_own_and_states_are_counted() -> None:
    held = [
        plan("access-0", phase=DrainPhase.DRAINING, planned=500, remaining=300, moved=200),
        plan("access-1", phase=DrainPhase.DRAINING, remaining=7, waiting_for="no room"),
        plan("access-2", phase=DrainPhase.EMPTY, outcome=PlanOutcome.DONE),
    ]
    held[0].rate_per_second = 40.0
    seen = shown(held)
    labels = {"kind": "drain", "cause": "operator"}
    assert value(seen, "whimbrel_drain_plans", **labels, state="draining") == 2
    assert value(seen, "whimbrel_drain_plans", **labels, state="done") == 1
    assert value(seen, "whimbrel_drain_plans_waiting") == 1
    for figure, expected in (("planned", 500), ("remaining", 300), ("moved", 200), ("forced", 0)):
        name = f"whimbrel_drain_plan_sessions_{figure}"
        assert value(seen, name, plan_pod="access-0", **labels) == expected
    assert value(seen, "whimbrel_drain_granted_per_second") == 40.0
    assert value(seen, "whimbrel_drain_pace_per_second") == 50.0
    assert value(seen, "whimbrel_drain_budget_per_second") == 80.0
    assert value(seen, "whimbrel_drain_pace_halvings_total") == 2
    assert value(seen, "whimbrel_drain_lease_failures_total") == 3
    assert value(seen, "whimbrel_drain_watch_failures_total") == 5


# --- spans ---------------------------------------------------------------------------


def test_a_span_has_an_event_for_each_phase_at_the_time_it_was_seen() -> None:
    spans, one = Spans(), plan(planned=10, remaining=10)
    spans.see([one], at=5)
    one.phase = DrainPhase.CORDONED
    spans.see([one], at=100)
    spans.see([one], at=200)
    one.phase, one.remaining, one.moved = DrainPhase.DRAINING, 8, 2
    spans.see([one], at=5_000)
    assert spans.finished() == ()
    one.phase, one.remaining, one.moved = DrainPhase.EMPTY, 0, 10
    end(one, PlanOutcome.DONE, 9_000)
    spans.see([one], [one], at=9_050)
    spans.see([one], at=10_000)  # it goes on holding its pod
    (span,) = spans.finished()
    assert events(span) == [("cordoned", 100), ("draining", 5_000), ("empty", 9_000)]
    assert dict(span.events[1].attributes or {}) == {
        "whimbrel.plan.remaining": 8,
        "whimbrel.plan.moved": 2,
    }
    assert (span.start_time, span.end_time) == (WALL_MS * NS, (WALL_MS + 9_000) * NS)
    assert dict(span.attributes or {})["whimbrel.plan.sessions"] == 10


def test_waiting_is_two_events_however_often_its_reason_changes() -> None:
    spans, one = Spans(), plan()
    for at, reason in ((0, "no room: 5"), (1_000, "no room: 4"), (2_000, ""), (3_000, "")):
        one.waiting_for = reason
        spans.see([one], at=at)
    end(one, PlanOutcome.ABORTED, 4_000)
    spans.see([], [one])
    (span,) = spans.finished()
    assert events(span) == [("waiting", 0), ("going_on", 2_000)]
    assert dict(span.attributes or {})["whimbrel.plan.outcome"] == "aborted"


def test_a_plan_that_is_called_off_while_it_waits_does_not_go_on() -> None:
    spans, one = Spans(), plan(waiting_for="no room")
    spans.see([one], at=0)
    one.waiting_for = ""
    end(one, PlanOutcome.ABORTED, 4_000)
    spans.see([], [one])
    (span,) = spans.finished()
    assert events(span) == [("waiting", 0)]


def test_a_plan_that_came_and_went_between_two_looks_is_a_span_too() -> None:
    spans, one = Spans(), plan()
    end(one, PlanOutcome.DONE, 300)
    spans.see([], [one], at=350)
    (span,) = spans.finished()
    assert span.end_time == (WALL_MS + 300) * NS


def test_pods_that_stop_by_themselves_have_a_span_each_although_their_plans_share_a_name() -> None:
    spans = Spans()
    both = [plan(pod_id, "SIGTERM", plan_id="self-sigterm") for pod_id in ("access-0", "access-1")]
    spans.see(both)
    for one in both:
        end(one, PlanOutcome.DONE, 500)
    spans.see([], both)
    assert {span.name for span in spans.finished()} == {"drain access-0", "drain access-1"}


def test_who_does_not_lead_any_more_ends_its_spans_and_says_so() -> None:
    spans = Spans()
    spans.see([plan("access-0"), plan("access-1")])
    spans.see(at=700)
    assert {span.end_time for span in spans.finished()} == {(WALL_MS + 700) * NS}
    outcomes = [dict(span.attributes or {})["whimbrel.plan.outcome"] for span in spans.finished()]
    assert outcomes == ["handed_over", "handed_over"]


def test_a_plan_that_the_same_leader_makes_anew_goes_on_in_its_span() -> None:
    spans, again = Spans(), plan(phase=DrainPhase.DRAINING, moved=3)
    spans.see([plan()])
    spans.see([again], at=500)
    end(again, PlanOutcome.DONE, 900)
    spans.see([], [again], at=950)
    (span,) = spans.finished()
    assert events(span) == [("draining", 500)]
    assert dict(span.attributes or {})["whimbrel.plan.moved"] == 3


@pytest.mark.parametrize(
    ("outcome", "forced", "status"),
    [
        (PlanOutcome.DONE, 0, StatusCode.UNSET),
        (PlanOutcome.ABORTED, 0, StatusCode.UNSET),
        (PlanOutcome.DONE, 1, StatusCode.ERROR),
        (PlanOutcome.POD_LOST, 0, StatusCode.ERROR),
    ],
)
def test_a_span_is_an_error_when_somebody_was_thrown_out_or_may_have_been(
    outcome: PlanOutcome, forced: int, status: StatusCode
) -> None:
    spans, one = Spans(), plan(forced=forced)
    end(one, outcome, 100)
    spans.see([], [one])
    (span,) = spans.finished()
    assert span.status.status_code is status
