"""The time of one drain: from its beginning to the nearer of two deadlines, and the marks between.

An order may move its deadline with every second, so nothing here is remembered that follows from
it. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

import math
from typing import Final

from whimbrel.core.drain.pod_drain_types import DrainTimes

_SETTLE_SHARE: Final = 0.25
"""The settle time is at most this part of the deadline: a short drain is for moving."""


class DrainClock:
    """When to settle, to ask again, to begin to end streams, and to end the last one."""

    def __init__(self, times: DrainTimes) -> None:
        self._times = times
        self.began_at = 0.0
        self.ordered_deadline = math.inf
        self.stop_deadline = math.inf
        """The process is killed then: no order moves it."""
        self._asked_again = 0
        self._ending = 0
        """Sessions, those that were ended already included, when the ending began."""

    @property
    def deadline(self) -> float:
        """When the last stream is ended; infinite without a drain."""
        return min(self.ordered_deadline, self.stop_deadline)

    @property
    def settled_at(self) -> float:
        """When those who look for pods have noticed."""
        return min(self.began_at + self._times.settle_seconds, self._at(_SETTLE_SHARE))

    @property
    def last_call_at(self) -> float:
        """When everybody who is still here is a straggler."""
        return self._at(self._times.ask_again_at[1])

    def begin(self, now: float) -> None:
        """A drain begins."""
        self.began_at = now
        self._asked_again = 0
        self._ending = 0

    def take_ask_again(self, now: float) -> bool:
        """Whether a moment to ask again has passed since the last call."""
        passed = sum(now >= self._at(part) for part in self._times.ask_again_at)
        is_due = passed > self._asked_again
        self._asked_again = max(passed, self._asked_again)
        return is_due

    def see(self, sessions: int, forced: int, now: float) -> None:
        """So many are here now, and so many were ended."""
        if now < self._at(self._times.force_from):
            self._ending = 0  # the deadline was moved
        elif self._ending == 0:
            self._ending = forced + sessions

    def overdue(self, sessions: int, now: float) -> int:
        """How many of them to end now: evenly from `force_from` on, all at the deadline."""
        first, last = self._at(self._times.force_from), self.deadline
        if now >= last:
            return sessions
        if now < first or not self._ending:
            return 0
        left = math.floor(self._ending * (last - now) / (last - first))
        return max(0, sessions - left)

    def next_mark(self, sessions: int, now: float) -> float:
        """When the next of these moments comes; infinite when none does."""
        if self.overdue(sessions, now):
            return now
        parts = (*self._times.ask_again_at, self._times.force_from, 1.0)
        marks = [moment for moment in map(self._at, parts) if moment > now]
        if self._ending:
            span = self.deadline - self._at(self._times.force_from)
            marks.append(now + span / self._ending)
        return min(marks, default=math.inf)

    def _at(self, part: float) -> float:
        """The moment at which this part of the time is over."""
        deadline = self.deadline
        if deadline == math.inf:
            return math.inf
        return self.began_at + (deadline - self.began_at) * part
