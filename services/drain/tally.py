"""Sums over the plans that have ended, since this controller started: what the book forgets after
fifty plans, and what happens between two scrapes.

A plan is counted once, by the leader that saw its end. Every sum that there can be is there from
the start, at 0: Prometheus does not see the first event of a series that begins with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from services.drain.domain.plans import Plan, PlanKind, PlanOutcome
from services.drain.domain.rebalances import SCALE_OUT, UNEVEN
from services.drain.domain.wishes import DELETED, NODE_DRAINED, OPERATOR, SCALE_IN

_OTHER: Final = "other"
_CAUSES: Final = {
    PlanKind.DRAIN: (OPERATOR, SCALE_IN, DELETED, NODE_DRAINED, "SIGTERM", "preStop", _OTHER),
    PlanKind.REBALANCE: (SCALE_OUT, UNEVEN, _OTHER),
}
_FATES: Final = ("moved", "deferred", "failed", "forced")


def bounded_cause(plan: Plan) -> str:
    """The cause as a label. Some come from pods: whatever is not known is one of "other"."""
    return plan.cause if plan.cause in _CAUSES[plan.kind] else _OTHER


class Ending(NamedTuple):
    """How plans of a kind ended, for one cause."""

    kind: PlanKind
    cause: str
    outcome: PlanOutcome


class Fate(NamedTuple):
    """What became of sessions under plans of a kind, for one cause."""

    kind: PlanKind
    cause: str
    fate: str
    """moved, deferred, failed or forced."""


class TallyStatistics(NamedTuple):
    """The sums at this moment."""

    plans: dict[Ending, int]
    sessions: dict[Fate, int]


class Tally:
    """A PlanObserver."""

    def __init__(self) -> None:
        kinds = [(kind, cause) for kind, causes in _CAUSES.items() for cause in causes]
        self._plans = {Ending(*kind, outcome): 0 for kind in kinds for outcome in PlanOutcome}
        self._sessions = {Fate(*kind, fate): 0 for kind in kinds for fate in _FATES}

    def see(self, held: Sequence[Plan], ended: Sequence[Plan], wall_ms: int) -> None:
        """See PlanObserver."""
        for plan in ended:
            cause = bounded_cause(plan)
            if plan.outcome is not None:
                self._plans[Ending(plan.kind, cause, plan.outcome)] += 1
            counts = (plan.moved, plan.deferred, plan.failed, plan.forced)
            for fate, count in zip(_FATES, counts, strict=True):
                self._sessions[Fate(plan.kind, cause, fate)] += count

    def statistics(self) -> TallyStatistics:
        """The sums at this moment."""
        return TallyStatistics(dict(self._plans), dict(self._sessions))
