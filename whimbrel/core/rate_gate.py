"""How fast one thing may come, in twelve bytes of state: for what every stream has one of.

The generic cell rate algorithm (ITU-T I.371): a bucket kept as the moment at which it would be
full again. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations


class RateGate:
    """`per_second` in the long run, `burst` seconds' worth at once. A rate of 0 lets everything
    pass."""

    __slots__ = ("_ahead", "_full_at", "_interval")

    def __init__(self, per_second: float, burst: float) -> None:
        """`burst` is how much may come at once, in the same unit as the rate."""
        self._interval = 1 / per_second if per_second else 0.0
        self._ahead = burst * self._interval
        self._full_at = 0.0

    def pass_through(self, amount: float, now: float) -> float:
        """It has come: the seconds to wait before more of it is taken, 0.0 for none."""
        full_at = (self._full_at if self._full_at > now else now) + amount * self._interval
        self._full_at = full_at
        wait = full_at - now - self._ahead
        return wait if wait > 0.0 else 0.0
