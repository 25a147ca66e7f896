"""What this pod takes as a target of migrations, and how it bears it (rule 22).

The budget is a bucket: so many arrivals by ticket in a second, the rest is told Busy. It is
halved while the pod's own event loop is late, and grows back; who asks for targets sees what it
is now. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from whimbrel.core.drain.pacing import TokenBucket

WINDOW_SECONDS: Final = 5.0
_LATE_LOOP_MS: Final = 100.0
_GROWTH: Final = 1.1
_LEAST_SHARE: Final = 0.1
BURST_SECONDS: Final = 0.2
"""How much of a second's budget may come at once."""
SHARED_BURST_SECONDS: Final = 1.0
"""The same for one of several processes: which of them a client reaches is the kernel's dice. At
20 a second each of two refuses 3 % of what fills nine tenths of the pod's budget with 0.2 s, and
next to nothing with 1 s; beyond 1 % a drain slows down."""
_MOST_REMEMBERED: Final = 5_000


class ArrivalFigures(NamedTuple):
    """Of the last 5 s."""

    arrivals: int
    refused_busy: int
    attach_p99_ms: float


class Arrivals:
    """The budget of one pod."""

    def __init__(self, per_second: float, now: float, burst_seconds: float = BURST_SECONDS) -> None:
        self._limit = per_second
        self._burst_seconds = burst_seconds
        self._rate = per_second
        self._bucket = TokenBucket(per_second, self._burst(per_second), now)
        self._admitted: deque[float] = deque(maxlen=_MOST_REMEMBERED)
        self._refused: deque[float] = deque(maxlen=_MOST_REMEMBERED)
        self.attaches = 0
        """Attaches that succeeded since the start, by ticket or not."""
        self._attaches: deque[tuple[float, float]] = deque(maxlen=_MOST_REMEMBERED)

    @property
    def per_second(self) -> float:
        """What is taken at present."""
        return self._rate

    def admit(self, now: float) -> float:
        """One wants in: 0 when it may come, else the seconds after which to try again."""
        if self._bucket.take(now):
            self._admitted.append(now)
            return 0.0
        self._refused.append(now)
        # Spread those that are refused over what is ahead of them.
        recent = sum(1 for at in self._refused if at > now - 1.0)
        return (self._bucket.next_at(now) or now) - now + recent / self._rate

    def attached(self, seconds: float, now: float) -> None:
        """An attach took so long, by ticket or not."""
        self.attaches += 1
        self._attaches.append((now, seconds))

    def see_loop_lag(self, lag_ms: float, now: float) -> None:
        """Once a second: how late the event loop was at its worst."""
        rate = self._rate / 2 if lag_ms > _LATE_LOOP_MS else self._rate * _GROWTH
        rate = min(max(rate, self._limit * _LEAST_SHARE), self._limit)
        if rate != self._rate:
            self._rate = rate
            self._bucket.set_rate(rate, now, self._burst(rate))

    def figures(self, now: float) -> ArrivalFigures:
        """How it went lately."""
        since = now - WINDOW_SECONDS
        admitted = sum(1 for at in self._admitted if at > since)
        refused = sum(1 for at in self._refused if at > since)
        times = sorted(seconds for at, seconds in self._attaches if at > since)
        p99 = times[min(len(times) - 1, int(len(times) * 0.99))] if times else 0.0
        return ArrivalFigures(admitted + refused, refused, p99 * 1000)

    def _burst(self, per_second: float) -> float:
        return max(1.0, per_second * self._burst_seconds)
