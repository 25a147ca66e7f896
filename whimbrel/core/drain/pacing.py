"""How fast sessions may be asked to move: a bucket that hands out moves, and the pace that fills
it.

The pace grows by addition and is halved at the first sign that a target suffers, as TCP does it
(Chiu and Jain, "Analysis of the Increase and Decrease Algorithms", 1989): the one rule under
which several controllers of one resource come to a fair and stable rate. Pure: `now` is monotonic
seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class TokenBucket:
    """So many a second, and never more than `burst` at once.

    In any stretch of t seconds at most burst + rate × t are taken, which is the whole point: a
    driver that was late may not make up for it.
    """

    def __init__(self, rate_per_second: float, burst: float, now: float) -> None:
        """Starts with one token, so that the first move does not wait. `burst` is at least 1."""
        _check_rate(rate_per_second)
        if burst < 1:
            raise ValueError("a bucket that holds no token never gives one")
        self._rate = rate_per_second
        self._burst = burst
        self._tokens = 1.0
        self._filled_at = now

    @property
    def rate_per_second(self) -> float:
        """How fast it fills."""
        return self._rate

    def set_rate(self, rate_per_second: float, now: float, burst: float | None = None) -> None:
        """From now on so fast; what was earned until now was earned at the old rate."""
        _check_rate(rate_per_second)
        self._fill(now)
        self._rate = rate_per_second
        if burst is not None:
            self._burst = max(1.0, burst)
            self._tokens = min(self._tokens, self._burst)

    def take(self, now: float) -> bool:
        """Take one token, if there is one."""
        return self.take_up_to(1, now) == 1

    def take_up_to(self, count: int, now: float) -> int:
        """Take as many as there are, at most `count`; how many those were."""
        taken = min(count, self.available(now))
        self._tokens -= taken
        return taken

    def available(self, now: float) -> int:
        """How many could be taken now."""
        self._fill(now)
        # A rate of 0 stops at once, also what was saved before: it means "not now".
        return math.floor(self._tokens + 1e-9) if self._rate > 0 else 0

    def next_at(self, now: float) -> float | None:
        """When there is a token; `now` if there is one, None while the rate is 0."""
        if self._rate <= 0:
            return None
        self._fill(now)
        missing = 1.0 - self._tokens
        return now if missing <= 1e-9 else now + missing / self._rate

    def _fill(self, now: float) -> None:
        elapsed = max(0.0, now - self._filled_at)
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        self._filled_at = max(now, self._filled_at)


class TargetHealth(NamedTuple):
    """What a target says about its last seconds."""

    arrivals: int = 0
    """By ticket, those that were answered Busy included."""
    refused_busy: int = 0
    attach_p99_ms: float = 0.0
    loop_lag_ms: float = 0.0


@dataclass(frozen=True)
class PaceLimits:
    """When the pace is halved, and how it grows."""

    floor_per_second: float = 10.0
    """Moves a second that a drain never falls below, unless the ceiling is lower still. Default
    10: a drain that stands still ends at its deadline with everybody thrown out at once."""
    first_share: float = 0.5
    """Of the ceiling, where it begins. Default a half: budgets are measured, not guessed, and
    the ceiling is reached five seconds later."""
    step_share: float = 0.1
    """Of the ceiling, by which it grows in a second. Default a tenth."""
    window_seconds: float = 5.0
    """Seconds that a target's figures look back on. Default 5, as the report says; what was
    halved for is still in them for so long, so nothing is halved again before."""
    attach_p99_ms: float = 250.0
    """Above it a target is too slow. Default 250: twenty times what an attach takes at rest."""
    busy_share: float = 0.01
    """Of the arrivals answered Busy, above which it is too fast. Default 1 %."""
    loop_lag_ms: float = 100.0
    """Above it a target's other clients feel the arrivals. Default 100."""


@dataclass(frozen=True)
class PaceStatistics:
    """The figures at this moment."""

    rate_per_second: float
    ceiling_per_second: float
    halvings: int


class DrainPace:
    """The one rate at which a whole cluster moves sessions."""

    def __init__(self, limits: PaceLimits | None = None) -> None:
        self._limits = limits or PaceLimits()
        self._rate = 0.0
        self._ceiling = 0.0
        self._seen_at: float | None = None
        self._halved_at: float | None = None
        self._halvings = 0

    @property
    def rate_per_second(self) -> float:
        """Moves a second that may be granted now, over all pods that drain."""
        return self._rate

    def observe(
        self, targets: Iterable[TargetHealth], ceiling_per_second: float, now: float
    ) -> float:
        """Look at the targets and find the rate of the next moments; it is returned too.

        `ceiling_per_second`: see `ceiling`. Call it regularly while something drains: the growth
        counts the time since the last call, five seconds of it at most.
        """
        limits = self._limits
        elapsed = 0.0 if self._seen_at is None else now - self._seen_at
        if self._seen_at is None:
            self._rate = ceiling_per_second * limits.first_share
        self._seen_at = now
        self._ceiling = ceiling_per_second
        if any(self._suffers(target) for target in targets):
            if self._halved_at is None or now >= self._halved_at + limits.window_seconds:
                self._rate /= 2
                self._halved_at = now
                self._halvings += 1
        else:
            self._rate += ceiling_per_second * limits.step_share * min(max(elapsed, 0.0), 5.0)
        floor = min(limits.floor_per_second, ceiling_per_second)
        self._rate = min(max(self._rate, floor), ceiling_per_second)
        return self._rate

    def rest(self) -> None:
        """Nothing drains any more: the next drain begins anew."""
        self._rate = 0.0
        self._seen_at = None
        self._halved_at = None

    def statistics(self) -> PaceStatistics:
        """The figures at this moment."""
        return PaceStatistics(self._rate, self._ceiling, self._halvings)

    def _suffers(self, target: TargetHealth) -> bool:
        limits = self._limits
        return (
            target.attach_p99_ms > limits.attach_p99_ms
            or target.loop_lag_ms > limits.loop_lag_ms
            or target.refused_busy > limits.busy_share * target.arrivals
        )


def ceiling(
    budgets: Iterable[float],
    *,
    route_store_per_second: float = math.inf,
    operator_per_second: float = math.inf,
) -> float:
    """The highest rate that is right: what all targets take together, what the store of the
    routes takes, and what the operator permits. 0 without a target."""
    return max(0.0, min(math.fsum(budgets), route_store_per_second, operator_per_second))


def own_share(budgets: Iterable[float], pods: int) -> float:
    """The rate of a pod that drains without a controller (rule 22): the targets' budgets, shared
    by all pods of the last table, since each of them may be told to stop at the same moment."""
    return math.fsum(budgets) / max(1, pods)


def _check_rate(rate_per_second: float) -> None:
    if not 0 <= rate_per_second < math.inf:
        raise ValueError("a rate is a finite number, 0 or more")
