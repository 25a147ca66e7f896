"""Sums over the plans that have ended, since this controller started: what the book forgets after
fifty plans, and what happens between two scrapes.

A plan is counted once, by the leader that saw its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.drain.domain.plans import Plan, PlanKind, PlanOutcome
from services.drain.domain.rebalances import SCALE_OUT, UNEVEN
from services.drain.domain.wishes import DELETED, NODE_DRAINED, OPERATOR, SCALE_IN

_OTHER: Final = "other"
_CAUSES: Final = frozenset(
    {OPERATOR, SCALE_IN, DELETED, NODE_DRAINED, SCALE_OUT, UNEVEN, "SIGTERM", "preStop"}
)


def bounded_cause(cause: str) -> str:
    """The cause as a label. Some come from pods: whatever is not known is one of "other"."""
    return cause if cause in _CAUSES else _OTHER


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
        self._plans: Counter[Ending] = Counter()
        self._sessions: Counter[Fate] = Counter()

    def see(self, held: Sequence[Plan], ended: Sequence[Plan], wall_ms: int) -> None:
        """See PlanObserver."""
        for plan in ended:
            cause = bounded_cause(plan.cause)
            if plan.outcome is not None:
                self._plans[Ending(plan.kind, cause, plan.outcome)] += 1
            for fate, count in (
                ("moved", plan.moved),
                ("deferred", plan.deferred),
                ("failed", plan.failed),
                ("forced", plan.forced),
            ):
                self._sessions[Fate(plan.kind, cause, fate)] += count

    def statistics(self) -> TallyStatistics:
        """The sums at this moment."""
        return TallyStatistics(dict(self._plans), dict(self._sessions))
