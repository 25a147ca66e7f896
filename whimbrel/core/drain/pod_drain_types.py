"""What a pod's drain is told and what it says: phases, times, counts, the refusal of a term."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class DrainPhase(enum.IntEnum):
    """Where a pod stands. The numbers are those of `whimbrel.api.drain.v1.DrainPhase`."""

    ACTIVE = 1
    CORDONED = 2
    DRAINING = 3
    STRAGGLERS = 4
    EMPTY = 5
    RELEASED = 6


@dataclass(frozen=True)
class DrainTimes:
    """The times of a drain."""

    settle_seconds: float = 5.0
    """Seconds for which a cordoned pod waits before it asks anybody to move: so long those who
    look for pods need to notice. Default 5. At most a quarter of the deadline."""
    grant_seconds: float = 10.0
    """Seconds for which a granted rate holds. Default 10: ten orders that were lost (rule 22)."""
    ask_again_at: tuple[float, float] = (0.5, 0.8)
    """Parts of the deadline at which stragglers are asked again. Default half and four fifths."""
    force_from: float = 0.9
    """Part of the deadline from which streams are ended, evenly, so that the last one ends at the
    deadline. Default nine tenths."""
    burst_seconds: float = 0.1
    """Seconds of the rate that may be used at once. Default 0.1: more than that would show at a
    target as more than 1.2 times its budget."""


@dataclass(frozen=True)
class DrainStatistics:
    """The figures of a plan on its pod; all 0 without one."""

    phase: DrainPhase
    term: int
    plan_id: str
    planned: int
    """Sessions when the plan began; of a shed, how many shall leave."""
    advised: int
    """Asked to move for the first time."""
    moved: int
    deferred: int
    failed: int
    forced: int
    rate_per_second: float


class StaleTermError(Exception):
    """An order of a leader that has been replaced; nothing was changed."""

    def __init__(self, term: int, highest: int) -> None:
        super().__init__(f"an order of term {term} after one of term {highest}")
        self.term = term
        self.highest = highest
