"""A drain as those see it who watch: in the figures of the leader, and as one trace."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tests.component.drain.controller_world import World, until, world
from tests.component.drain.operated_controller import Controller
from tests.scraping import scrape, value
from whimbrel.core.drain.pod_drain_types import DrainPhase

PLAN = {"kind": "drain", "cause": "operator"}


async def shown(controller: Controller, name: str, **labels: str) -> float | None:
    return value(await scrape(controller.metrics_address), name, **labels)


async def until_ended(controller: Controller) -> None:
    async def has_ended() -> bool:
        name = "whimbrel_drain_plans_ended_total"
        return await shown(controller, name, **PLAN, outcome="done") == 1

    await until(has_ended)


async def exported(made: World, controller: Controller, to: InMemorySpanExporter) -> ReadableSpan:
    """The only span, after the controller has stopped and sent what it had."""
    controller.stop.set()
    await until(controller.task.done)
    (span,) = to.get_finished_spans()
    return span


async def test_a_drain_is_seen_in_the_leader_s_figures_while_it_runs_and_after() -> None:
    async with world() as made:
        controller = await made.led(3000, 100)
        assert await shown(controller, "whimbrel_drain_leads") == 1
        assert await shown(controller, "whimbrel_drain_attending_pods") == 2
        assert (await shown(controller, "whimbrel_drain_term") or 0) > 1_000_000
        await controller.drain("access-0")

        async def is_moving() -> bool:
            seen = await scrape(controller.metrics_address)
            of_pod = {"plan_pod": "access-0", **PLAN}
            moved = value(seen, "whimbrel_drain_plan_sessions_moved", **of_pod)
            if not moved or value(seen, "whimbrel_drain_plans", **PLAN, state="draining") != 1:
                return False
            left = value(seen, "whimbrel_drain_plan_sessions_remaining", **of_pod)
            assert left == 3000 - moved, "both of one report"
            granted = value(seen, "whimbrel_drain_granted_per_second") or 0.0
            pace = value(seen, "whimbrel_drain_pace_per_second") or 0.0
            assert 0 < granted <= pace * 1.001
            assert pace <= (value(seen, "whimbrel_drain_budget_per_second") or 0.0)
            return True

        await until(is_moving)
        await until_ended(controller)
        moved = await shown(
            controller, "whimbrel_drain_ended_plan_sessions_total", **PLAN, fate="moved"
        )
        assert moved == 3000
        assert await shown(controller, "whimbrel_drain_plans", **PLAN, state="done") == 1


async def test_who_does_not_lead_shows_no_plans() -> None:
    async with world() as made:
        leader = await made.led(500, 100)
        other = await made.start_controller("drain-1")
        await leader.drain("access-0")
        await until_ended(leader)
        seen = await scrape(other.metrics_address)
        assert value(seen, "whimbrel_drain_leads") == 0
        assert value(seen, "whimbrel_drain_plans_ended_total", **PLAN, outcome="done") == 0
        assert not [name for name, _ in seen if name.startswith("whimbrel_drain_plan_sessions")]


async def test_a_lease_that_cannot_be_renewed_is_counted() -> None:
    async with world() as made:
        controller = await made.led(10, 10)
        assert await shown(controller, "whimbrel_drain_lease_failures_total") == 0
        made.lease.away = True

        async def is_seen() -> bool:
            failures = await shown(controller, "whimbrel_drain_lease_failures_total")
            return bool(failures) and await shown(controller, "whimbrel_drain_leads") == 0

        await until(is_seen)


async def test_a_plan_is_one_span_from_its_start_to_its_end() -> None:
    spans = InMemorySpanExporter()
    async with world() as made:
        controller = await made.led(400, 100, spans=spans)
        plan_id = (await controller.drain("access-0")).plan.plan_id
        await until_ended(controller)
        plan = await controller.plan("access-0")
        span = await exported(made, controller, spans)
    assert plan is not None
    assert span.name == "drain access-0"
    assert (span.start_time, span.end_time) == (
        plan.started_ms * 1_000_000,
        plan.ended_ms * 1_000_000,
    )
    said = dict(span.attributes or {})
    assert said["whimbrel.plan.id"] == plan_id
    assert said["whimbrel.plan.cause"] == "operator"
    assert said["whimbrel.plan.outcome"] == "done"
    assert said["whimbrel.plan.sessions"] == said["whimbrel.plan.moved"] == 400
    assert said["whimbrel.plan.forced"] == said["whimbrel.plan.remaining"] == 0
    assert span.status.status_code is StatusCode.UNSET
    phases = [DrainPhase[event.name.upper()] for event in span.events]
    assert phases == sorted(phases)
    assert phases[-1] is DrainPhase.EMPTY
    assert span.resource.attributes["service.name"] == "whimbrel-drain"


async def test_a_leader_that_stops_in_the_middle_hands_its_span_over() -> None:
    spans, others = InMemorySpanExporter(), InMemorySpanExporter()
    async with world() as made:
        first = await made.led(3000, 100, spans=spans)
        plan_id = (await first.drain("access-0")).plan.plan_id
        await until(lambda: made.pods["access-0"].sessions < 2900)
        span = await exported(made, first, spans)
        assert dict(span.attributes or {})["whimbrel.plan.outcome"] == "handed_over"
        second = await made.start_controller("drain-1", spans=others)
        await until(lambda: made.pods["access-0"].phase is DrainPhase.EMPTY)
        await until_ended(second)
        rest = await exported(made, second, others)
    assert dict(rest.attributes or {})["whimbrel.plan.id"] == plan_id
    assert dict(rest.attributes or {})["whimbrel.plan.outcome"] == "done"
    assert rest.start_time == span.start_time


async def test_a_leader_that_lost_its_lease_shows_its_plans_no_more_and_ends_their_spans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")  # milliseconds
    spans = InMemorySpanExporter()
    async with world() as made:
        controller = await made.led(50, 100, spans=spans)
        made.pods["access-0"].moves_blocked = True
        await controller.drain("access-0")

        async def shows_plans() -> bool:
            seen = await scrape(controller.metrics_address)
            return any(name.startswith("whimbrel_drain_plan_sessions") for name, _ in seen)

        await until(shows_plans)
        made.lease.away = True
        await until(spans.get_finished_spans)
        assert not await shows_plans()
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {})["whimbrel.plan.outcome"] == "handed_over"
