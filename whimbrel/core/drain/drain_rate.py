"""How fast one pod may ask its sessions to move: as a leader grants it, or by its own share.

A grant runs out (rule 22). Without one a pod that drains goes on at its own share, with one
exception: it was told to stop while a leader is alive. That leader sees the whole cluster, and
its first order is a moment away. Until then nobody moves, for a bounded time: in a rollout the
pod's own table may not have the pods of the new revision yet, and whom it sends to an old one
moves twice.

Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

import math
from typing import Final

from whimbrel.core.drain.drain_clock import SETTLE_SHARE
from whimbrel.core.drain.pacing import TokenBucket
from whimbrel.core.drain.pod_drain_types import DrainTimes

_NEVER: Final = -math.inf


class DrainRate:
    """The bucket of one pod, and who fills it. Call `see` at `next_change` at the latest."""

    def __init__(self, times: DrainTimes) -> None:
        self._times = times
        self._own = 0.0
        self._is_draining = False
        self._granted_until = _NEVER
        self._heard_at = _NEVER
        self._patient_until = _NEVER
        self._bucket = TokenBucket(0.0, 1.0, 0.0)

    @property
    def per_second(self) -> float:
        """The rate that holds."""
        return self._bucket.rate_per_second

    def heard(self, now: float) -> None:
        """An order came, whatever it says: a leader is alive."""
        self._heard_at = now

    def hears_leader(self, now: float) -> bool:
        """Whether a leader was alive a moment ago."""
        return now - self._heard_at < self._times.order_seconds

    def set_own(self, per_second: float, now: float) -> None:
        """The pod's own share."""
        self._own = per_second
        self.see(now)

    def begin(self, now: float) -> None:
        """A drain begins."""
        self._is_draining = True
        self.see(now)

    def wait_for_order(self, deadline: float, now: float) -> None:
        """The drain that began now is the pod's own, and must be over by `deadline`: the leader
        that was heard a moment ago has the first word, if it comes soon."""
        if self.hears_leader(now):
            patience = min(self._times.order_seconds, SETTLE_SHARE * max(0.0, deadline - now))
            self._patient_until = now + patience
            self.see(now)

    def end(self, now: float) -> None:
        """Nothing is asked of anybody any more."""
        self._is_draining = False
        self._granted_until = self._patient_until = _NEVER
        self.see(now)

    def grant(self, per_second: float, now: float) -> None:
        """A leader permits so much, for a while."""
        self._patient_until = _NEVER
        self._granted_until = now + self._times.grant_seconds
        self._set(per_second, now)

    def withdraw(self, now: float) -> None:
        """No leader grants anything any more."""
        self._granted_until = _NEVER
        self.see(now)

    def see(self, now: float) -> None:
        """Time has passed."""
        if now >= self._granted_until:
            goes_alone = self._is_draining and now >= self._patient_until
            self._set(self._own if goes_alone else 0.0, now)

    def available(self, now: float) -> int:
        """How many may be asked now."""
        return self._bucket.available(now)

    def take(self, count: int, now: float) -> None:
        """So many were asked."""
        self._bucket.take_up_to(count, now)

    def next_at(self, now: float) -> float | None:
        """When one may be asked; None while the rate is 0."""
        return self._bucket.next_at(now)

    def next_change(self, now: float) -> float:
        """When the rate becomes another one by itself; infinite when it does not."""
        changes = (self._granted_until, self._patient_until)
        return min((moment for moment in changes if moment > now), default=math.inf)

    def _set(self, per_second: float, now: float) -> None:
        burst = max(1.0, per_second * self._times.burst_seconds)
        self._bucket.set_rate(per_second, now, burst)
