"""Plans: what is meant with one pod, from its order to its end, and the book that keeps them.

A plan's id says what a new leader must know, because nothing else outlives a leader: kind, cause,
start, and the deadline of a drain or the count of a rebalance. Pods report it with every breath.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.drain.domain.facts import Report
from whimbrel.core.drain.pod_drain_types import DrainPhase

ENDED_KEPT: Final = 50


class PlanKind(enum.IntEnum):
    """The numbers are those of `whimbrel.api.drain.v1.PlanKind`."""

    DRAIN = 1
    REBALANCE = 2


class PlanOutcome(enum.IntEnum):
    """How it ended. The numbers are those of `whimbrel.api.drain.v1.PlanOutcome`."""

    DONE = 1
    ABORTED = 2
    POD_LOST = 3


class PlanName(NamedTuple):
    """What a plan's id says."""

    kind: PlanKind
    cause: str
    started_ms: int
    amount: int
    """Milliseconds of the deadline, or sessions to shed."""
    goal: int | None = None
    """At scale-in: how many pods there shall be."""

    def plan_id(self, pod_id: str) -> str:
        """The id of this plan for this pod."""
        cause = re.sub(r"[^\w-]", "_", self.cause)
        goal = "" if self.goal is None else f"-to{self.goal}"
        figures = f"{self.started_ms}.{self.amount}{goal}"
        return f"{self.kind.name.lower()}.{cause}.{figures}@{pod_id}"


_NAME: Final = re.compile(r"(drain|rebalance)\.([\w-]+)\.(\d+)\.(\d+)(?:-to(\d+))?@.+")


def read_name(plan_id: str) -> PlanName | None:
    """What a controller once put into this id; None when no controller made it."""
    match = _NAME.fullmatch(plan_id)
    if match is None:
        return None
    kind, cause, started_ms, amount, goal = match.groups()
    return PlanName(
        PlanKind[kind.upper()],
        cause.replace("_", " "),
        int(started_ms),
        int(amount),
        int(goal) if goal is not None else None,
    )


@dataclass
class Plan:
    """One pod's plan. Changed only by those who reconcile."""

    plan_id: str
    kind: PlanKind
    pod_id: str
    cause: str
    started_ms: int
    incarnation: str = ""
    """The process that it is about; empty until the pod has said."""
    deadline_at: float | None = None
    """On the clock of `now`; None: there is none."""
    is_forced: bool = False
    """The operator wants it although there is no room."""
    has_begun: bool = False
    """Its pod was told."""
    count: int = 0
    """Rebalance: sessions to shed."""
    phase: DrainPhase = DrainPhase.ACTIVE
    outcome: PlanOutcome | None = None
    planned: int = 0
    remaining: int = 0
    moved: int = 0
    deferred: int = 0
    failed: int = 0
    forced: int = 0
    rate_per_second: float = 0.0
    ended_ms: int = 0
    target_pod_ids: list[str] = field(default_factory=list)
    waiting_for: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended. A drain that is DONE may still hold its pod empty."""
        return self.outcome is None

    def take(self, report: Report) -> None:
        """What the pod says of it. Figures of a pod that does not follow it yet are not its own."""
        self.incarnation = report.incarnation
        if report.plan_id != self.plan_id:
            self.remaining = report.sessions
            return
        self.has_begun = True
        self.phase = report.phase
        self.planned, self.moved = report.planned, report.moved
        self.deferred, self.failed, self.forced = report.deferred, report.failed, report.forced
        self.remaining = (
            max(0, self.count - report.moved)
            if self.kind is PlanKind.REBALANCE
            else report.sessions
        )


class PlanBook:
    """The plans that hold a pod, one each, and the last ones that ended."""

    def __init__(self) -> None:
        self._holding: dict[str, Plan] = {}
        self._ended: deque[Plan] = deque(maxlen=ENDED_KEPT)
        self._fresh: list[Plan] = []

    def of(self, pod_id: str) -> Plan | None:
        """The plan that holds this pod."""
        return self._holding.get(pod_id)

    def holding(self, kind: PlanKind) -> list[Plan]:
        """All that hold a pod, by the pod's name, ended or not."""
        return [plan for plan in self.all_holding() if plan.kind is kind]

    def all_holding(self) -> list[Plan]:
        """Of every kind, by the pod's name."""
        return [plan for _, plan in sorted(self._holding.items())]

    def begin(self, plan: Plan) -> None:
        """A pod has at most one; the one before must have been let go."""
        if plan.pod_id in self._holding:
            raise ValueError(f"{plan.pod_id} has a plan")
        self._holding[plan.pod_id] = plan

    def end(self, plan: Plan, outcome: PlanOutcome, ended_ms: int) -> None:
        """It is over; it goes on holding its pod until it is let go. Twice is once."""
        if plan.outcome is None:
            plan.outcome = outcome
            plan.ended_ms = ended_ms
            plan.rate_per_second = 0.0
            plan.waiting_for = ""
            self._ended.append(plan)
            self._fresh.append(plan)

    def let_go(self, plan: Plan) -> None:
        """The pod is nobody's any more."""
        if self._holding.get(plan.pod_id) is plan:
            del self._holding[plan.pod_id]

    def take_ended(self) -> list[Plan]:
        """Those that have ended since the last call: one line of the log each."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def forget_held(self) -> None:
        """Another controller leads, or led in between: what is under way is its to know."""
        self._holding.clear()

    def listed(self) -> list[Plan]:
        """Running ones first, by pod, then those that ended, the last first."""
        running = [plan for plan in self.all_holding() if plan.is_running]
        return running + list(reversed(self._ended))
