"""How many sessions a pod's drain, or its shed, has asked, and what came of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class DrainCounts:
    """Counts of one plan, from its beginning. `advised` and the rest are as in DrainStatistics."""

    planned: int = 0
    advised: int = 0
    moved: int = 0
    deferred: int = 0
    failed: int = 0
    forced: int = 0
    waiting: int = 0
    """Asked, and not answered by a move, a deferral or a failure."""

    def answered(self, count: int) -> None:
        """So many are waited for no more."""
        self.waiting = max(0, self.waiting - count)
