"""How fast a pod may ask its sessions to move: at a rate that a leader has granted for a while,
else at the pod's own share, if it drains at all (rule 22). Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

import math

from whimbrel.core.drain.pacing import TokenBucket
from whimbrel.core.drain.pod_drain_types import DrainTimes


class DrainRate:
    """The rate now, and the bucket that it fills. 0 asks nobody."""

    def __init__(self, times: DrainTimes) -> None:
        self._times = times
        self._bucket = TokenBucket(0.0, 1.0, 0.0)
        self._own = 0.0
        self.granted_until = -math.inf
        """When the grant runs out; in the past without one."""

    @property
    def per_second(self) -> float:
        """Moves a second."""
        return self._bucket.rate_per_second

    def begin(self, now: float) -> None:
        """A drain begins, at the own share until something is granted."""
        self._set(self._own, now)

    def stop(self, now: float) -> None:
        """Nobody is to be asked any more."""
        self.granted_until = -math.inf
        self._set(0.0, now)

    def grant(self, rate_per_second: float, now: float) -> None:
        """A leader grants this rate, for as long as a grant holds."""
        self.granted_until = now + self._times.grant_seconds
        self._set(rate_per_second, now)

    def withdraw_grant(self, now: float, *, is_draining: bool) -> None:
        """No grant holds: a drain goes on at the own share, a shed pauses."""
        self.granted_until = -math.inf
        self._set(self._own if is_draining else 0.0, now)

    def has_run_out(self, now: float) -> bool:
        """Whether there was a grant that holds no more."""
        return now >= self.granted_until > -math.inf

    def set_own(self, rate_per_second: float, now: float, *, is_draining: bool) -> None:
        """The own share is another one; it counts at once in a drain without a grant."""
        self._own = rate_per_second
        if is_draining and now >= self.granted_until:
            self._set(rate_per_second, now)

    def available(self, now: float) -> int:
        """How many may be asked now."""
        return self._bucket.available(now)

    def take(self, count: int, now: float) -> None:
        """So many were asked."""
        self._bucket.take_up_to(count, now)

    def next_at(self, now: float) -> float | None:
        """When the next one may be asked; None while the rate is 0."""
        return self._bucket.next_at(now)

    def _set(self, rate_per_second: float, now: float) -> None:
        burst = max(1.0, rate_per_second * self._times.burst_seconds)
        self._bucket.set_rate(rate_per_second, now, burst)
