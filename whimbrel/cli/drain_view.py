"""How plans look: a table with a bar for each pod, one line for logs, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from whimbrel.api.drain.v1 import drain_pb2

_BAR_CELLS = 20


def plan_json(plan: drain_pb2.Plan) -> dict[str, Any]:
    """A plan as plain values; kinds, phases and outcomes are lower-case words."""
    from whimbrel.api.drain.v1 import drain_pb2

    return {
        "plan": plan.plan_id,
        "kind": _word(drain_pb2.PlanKind.Name(plan.kind), "PLAN_KIND_"),
        "pod": plan.pod_id,
        "cause": plan.cause,
        "phase": _word(drain_pb2.DrainPhase.Name(plan.phase), "DRAIN_PHASE_"),
        "outcome": _word(drain_pb2.PlanOutcome.Name(plan.outcome), "PLAN_OUTCOME_")
        if plan.outcome
        else None,
        "planned": plan.planned,
        "remaining": plan.remaining,
        "moved": plan.moved,
        "deferred": plan.deferred,
        "failed": plan.failed,
        "forced": plan.forced,
        "sessions_per_second": round(plan.sessions_per_second, 1),
        "started_ms": str(plan.started_ms),
        "ended_ms": str(plan.ended_ms) if plan.ended_ms else None,
        "deadline_ms": plan.deadline_ms,
        "targets": list(plan.target_pod_ids),
        "waiting_for": plan.waiting_for or None,
    }


def plans_json(plans: drain_pb2.ListPlansResponse) -> dict[str, Any]:
    """What `drains --json` prints."""
    return {
        "leader": plans.leader or None,
        "term": str(plans.term),
        "plans": [plan_json(plan) for plan in plans.plans],
    }


def plans_table(plans: Iterable[drain_pb2.Plan]) -> RenderableType:
    """One row for each plan, then a line for each that something stands in the way of."""
    from rich.box import SIMPLE
    from rich.console import Group
    from rich.table import Table

    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for column in ("pod", "why", "state", "progress"):
        table.add_column(column, no_wrap=column in ("pod", "progress"))
    for column in ("left", "moved", "forced", "per s", "deadline"):
        table.add_column(column, justify="right", no_wrap=True)
    waits = []
    for plan in plans:
        row = plan_json(plan)
        table.add_row(
            plan.pod_id,
            plan.cause,
            row["outcome"] or row["phase"],
            bar(plan, 10),
            str(plan.remaining),
            str(plan.moved),
            str(plan.forced),
            f"{plan.sessions_per_second:.0f}" if plan.sessions_per_second else "",
            f"{plan.deadline_ms / 1000:.0f} s" if plan.deadline_ms else "",
        )
        if plan.waiting_for:
            waits.append(f"{plan.pod_id} waits for {plan.waiting_for}")
    return Group(table, *waits)


def plan_line(plan: drain_pb2.Plan) -> str:
    """A plan on one line."""
    row = plan_json(plan)
    state = row["outcome"] or row["phase"]
    parts = [
        f"{plan.pod_id} {state:<10} {bar(plan)}",
        f"{plan.remaining} left, {plan.moved} moved, {plan.forced} forced",
    ]
    if plan.sessions_per_second:
        parts.append(f"{plan.sessions_per_second:.0f}/s")
    if plan.deadline_ms:
        parts.append(f"deadline in {plan.deadline_ms / 1000:.0f} s")
    if plan.waiting_for:
        parts.append(f"waits for {plan.waiting_for}")
    return ", ".join(parts)


def bar(plan: drain_pb2.Plan, cells: int = _BAR_CELLS) -> str:
    """How far it is: sessions that have gone, of those that were there."""
    whole = max(plan.planned, plan.remaining)
    share = 1.0 if plan.outcome == 1 or not whole else 1.0 - plan.remaining / whole
    if not plan.outcome and not plan.planned and not plan.remaining:
        share = 0.0
    full = int(share * cells)
    return f"{'━' * full}{'─' * (cells - full)} {share:4.0%}"


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
