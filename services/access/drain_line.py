"""The canonical line of a drain: one, when the pod is empty, or when the drain was aborted."""

from __future__ import annotations

from typing import Final

from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainPhase, DrainStatistics
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_UNDER_WAY: Final = (DrainPhase.CORDONED, DrainPhase.DRAINING, DrainPhase.STRAGGLERS)


class DrainLine:
    """Sees every tick of a pod's drain. What a rebalance takes from a pod is no drain of it: that
    is the controller's `plan_ended`."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._counts: DrainStatistics | None = None
        self._cause = ""
        self._is_told = False

    def see(self, drain: PodDrain, sessions: int, now: float) -> None:
        """The pod holds so many sessions; `now` is monotonic seconds."""
        if drain.phase is DrainPhase.ACTIVE:
            if not self._is_told and self._counts is not None:
                self._tell("aborted", sessions, now)
            self._began_at, self._counts, self._is_told = None, None, False
            return
        self._began_at = now if self._began_at is None else self._began_at
        self._counts, self._cause = drain.statistics(), drain.cause
        # Somebody may have come back to a pod that was empty: it is the same drain.
        if drain.phase not in _UNDER_WAY and not self._is_told:
            self._tell("empty", sessions, now)

    def _tell(self, outcome: str, sessions: int, now: float) -> None:
        """An abort has reset the figures: those of the tick before are told."""
        assert self._counts is not None
        self._is_told = True
        counts = self._counts
        _log.info(
            "drain_ended",
            outcome=outcome,
            plan=counts.plan_id,
            cause=self._cause,
            seconds=round(now - (self._began_at or now), 3),
            planned=counts.planned,
            moved=counts.moved,
            deferred=counts.deferred,
            failed=counts.failed,
            forced=counts.forced,
            remaining=sessions,
        )
