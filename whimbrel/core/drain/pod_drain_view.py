"""What a pod's own drain knows, and what its driver may look at. What changes it is `PodDrain`."""

from __future__ import annotations

from typing import Final

from whimbrel.core.drain.drain_clock import DrainClock
from whimbrel.core.drain.drain_counts import DrainCounts
from whimbrel.core.drain.drain_rate import DrainRate
from whimbrel.core.drain.pod_drain_types import DrainPhase, DrainStatistics, DrainTimes

_CORDONED: Final = frozenset(DrainPhase) - {DrainPhase.ACTIVE}


class PodDrainView:
    """The state of the machine; reading it changes nothing."""

    def __init__(self, times: DrainTimes | None = None) -> None:
        self._times = times or DrainTimes()
        self._phase = DrainPhase.ACTIVE
        self._term = 0
        self._plan_id = ""
        self._counts = DrainCounts()
        self._shed: int | None = None
        self._stopping = False
        self._cause = ""
        self._clock = DrainClock(self._times)
        self._sessions = 0
        self._unasked = 0
        self._rate = DrainRate(self._times)

    @property
    def phase(self) -> DrainPhase:
        """Where it stands; see `pod_drain`."""
        return self._phase

    @property
    def term(self) -> int:
        """The highest term of an order; 0 before the first."""
        return self._term

    @property
    def plan_id(self) -> str:
        """The plan that is followed; empty without one."""
        return self._plan_id

    @property
    def cause(self) -> str:
        """Why it drains, for people."""
        return self._cause

    @property
    def is_cordoned(self) -> bool:
        """Whether new sessions are sent elsewhere."""
        return self._phase in _CORDONED

    @property
    def is_stopping(self) -> bool:
        """Whether the process ends after this."""
        return self._stopping

    @property
    def is_shedding(self) -> bool:
        """Whether some sessions are asked although the pod stays."""
        return self._shed is not None

    @property
    def deadline(self) -> float:
        """When the last stream is ended; infinite without a drain."""
        return self._clock.deadline

    @property
    def stop_deadline(self) -> float:
        """When the process that is being stopped must be empty, whatever was ordered; infinite
        while it is not being stopped."""
        return self._clock.stop_deadline

    def statistics(self) -> DrainStatistics:
        """The figures for the report."""
        counts = self._counts
        return DrainStatistics(
            phase=self._phase,
            term=self._term,
            plan_id=self._plan_id,
            planned=counts.planned,
            advised=counts.advised,
            moved=counts.moved,
            deferred=counts.deferred,
            failed=counts.failed,
            forced=counts.forced,
            rate_per_second=self._rate.per_second,
        )
