"""How often somebody may do something: a token bucket for each key, and a bound to the keys.

Pure: `now` comes in as monotonic seconds. A key that was forgotten, because newer ones needed
its place, begins with a full bucket: the bound protects memory first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple


class Rate(NamedTuple):
    """`burst` at once, and as many again in `seconds`, evenly."""

    burst: int
    seconds: float


class _Bucket(NamedTuple):
    tokens: float
    at: float


class TokenBuckets:
    """One bucket for each key."""

    def __init__(self, rate: Rate, *, max_keys: int = 100_000) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """Take one token: 0.0 when there was one, else the seconds until there will be, and
        nothing is taken."""
        burst, seconds = self._rate
        before = self._buckets.pop(key, _Bucket(float(burst), now))
        gained = max(0.0, now - before.at) * burst / seconds
        tokens = min(float(burst), before.tokens + gained)
        wait = 0.0 if tokens >= 1.0 else (1.0 - tokens) * seconds / burst
        self._buckets[key] = _Bucket(tokens if wait else tokens - 1.0, now)
        while len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return wait
