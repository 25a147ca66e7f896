"""Each plan is one span, from its start to its end: what an operator opens to see where a drain
lost its time.

Spans are made by comparing plans between two looks, so a phase that came and went between them
leaves no event. A plan that another leader goes on with ends here as `handed_over`; the other
leader's span has the same plan id and the same start.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from services.drain.domain.plans import Plan, PlanOutcome
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.runtime.tracing import Tracing

HANDED_OVER: Final = "handed_over"
_NS_PER_MS: Final = 1_000_000

_Key = tuple[str, str]
"""Pod and plan: pods that stop by themselves all call their plan the same."""


@dataclass
class _Open:
    """A plan that runs, as it was at the last look."""

    plan: Plan
    span: Span
    phase: DrainPhase = DrainPhase.ACTIVE
    waiting_for: str = ""


class PlanSpans:
    """A PlanObserver. At most one open span for each pod."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[_Key, _Open] = {}

    def see(self, held: Sequence[Plan], ended: Sequence[Plan], wall_ms: int) -> None:
        """See PlanObserver."""
        for plan in ended:
            self._end(self._opened(plan), wall_ms)
        running = [plan for plan in held if plan.is_running]
        for plan in running:
            self._follow(self._opened(plan), wall_ms)
        for key in self._open.keys() - {_key(plan) for plan in running}:
            self._end(self._open[key], wall_ms)

    def _opened(self, plan: Plan) -> _Open:
        known = self._open.get(_key(plan))
        if known is None:
            kind = plan.kind.name.lower()
            span = self._tracer.start_span(
                f"{kind} {plan.pod_id}",
                kind=SpanKind.INTERNAL,
                start_time=plan.started_ms * _NS_PER_MS,
                attributes={
                    "whimbrel.plan.id": plan.plan_id,
                    "whimbrel.plan.kind": kind,
                    "whimbrel.plan.pod": plan.pod_id,
                    "whimbrel.plan.cause": plan.cause,
                    "whimbrel.plan.is_forced": plan.is_forced,
                },
            )
            known = self._open[_key(plan)] = _Open(plan, span)
        known.plan = plan  # a new leader in the same process makes the plan anew
        return known

    def _follow(self, known: _Open, wall_ms: int) -> None:
        self._see_phase(known, wall_ms)
        reason, known.waiting_for = known.waiting_for, known.plan.waiting_for
        if bool(reason) != bool(known.waiting_for):  # its figures change each second
            name = "waiting" if known.waiting_for else "going_on"
            known.span.add_event(
                name, {"whimbrel.plan.waiting_for": known.waiting_for}, wall_ms * _NS_PER_MS
            )

    @staticmethod
    def _see_phase(known: _Open, wall_ms: int) -> None:
        plan = known.plan
        if plan.phase is not known.phase:
            known.phase = plan.phase
            sessions = {
                "whimbrel.plan.remaining": plan.remaining,
                "whimbrel.plan.moved": plan.moved,
            }
            known.span.add_event(plan.phase.name.lower(), sessions, wall_ms * _NS_PER_MS)

    def _end(self, known: _Open, wall_ms: int) -> None:
        """Of a plan without an outcome: somebody else leads."""
        del self._open[_key(known.plan)]
        plan, outcome = known.plan, known.plan.outcome
        ended_ms = plan.ended_ms if outcome is not None else wall_ms
        self._see_phase(known, ended_ms)
        known.span.set_attributes(
            {
                "whimbrel.plan.outcome": outcome.name.lower() if outcome else HANDED_OVER,
                "whimbrel.plan.sessions": plan.planned,
                "whimbrel.plan.moved": plan.moved,
                "whimbrel.plan.deferred": plan.deferred,
                "whimbrel.plan.failed": plan.failed,
                "whimbrel.plan.forced": plan.forced,
                "whimbrel.plan.remaining": plan.remaining,
            }
        )
        if outcome is PlanOutcome.POD_LOST:
            known.span.set_status(Status(StatusCode.ERROR, "the pod was lost"))
        elif plan.forced:
            known.span.set_status(Status(StatusCode.ERROR, "sessions were ended"))
        known.span.end(ended_ms * _NS_PER_MS)


def _key(plan: Plan) -> _Key:
    return plan.pod_id, plan.plan_id


def open_plan_spans(tracing: Tracing, stack: AsyncExitStack) -> PlanSpans:
    """Spans that follow the plans; when the stack is closed those of running plans end."""
    spans = PlanSpans(tracing.tracer("whimbrel.drain"))
    stack.callback(lambda: spans.see((), (), round(time.time() * 1000)))
    return spans
