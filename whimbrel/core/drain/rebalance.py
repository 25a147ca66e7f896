"""Spreading sessions after a scale-out: whether, how many from whom, and which ones.

A new pod is empty and stays so: streams live for days. So the fullest pods shed until none is
more than 5 % above the mean, which costs a third to a half fewer moves than making all equal.
Who moves is found by rendezvous hash, so that a controller, or a pod, that was started again
goes on with the same ones. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from whimbrel.core import rendezvous


@dataclass(frozen=True)
class RebalanceLimits:
    """When it begins and ends."""

    start_ratio: float = 1.15
    """Fullest to mean, above which it begins by itself. Default 1.15: below, chance alone would
    start it again and again."""
    stop_ratio: float = 1.05
    """Fullest to mean, at which it ends. Default 1.05."""
    margin: float = 0.08
    """How many more than needed go, as a share: sessions come and go meanwhile. Default 8 %:
    promised are at most 10 % more than the least possible."""
    least_sessions: int = 20
    """Of the mean, below which nothing is done: ratios of small numbers are noise. Default 20."""
    rest_seconds: float = 1800.0
    """Seconds for which a session that has moved is left alone. Default 30 minutes."""


class Mover(NamedTuple):
    """A session that may be asked to move."""

    key: str
    """Names the session, the same on every pod: user and device."""
    moved_at: float | None
    """When it came by a migration, on the clock of `now`; None: it did not."""
    is_idle: bool
    """Nothing is in flight, and nobody looks at it."""


class Rebalance(NamedTuple):
    """How many sessions each donor gives, and how many each receiver gets, by pod."""

    donors: dict[str, int]
    receivers: dict[str, int]

    @property
    def moves(self) -> int:
        """In all."""
        return sum(self.donors.values())


def is_uneven(
    sessions: Mapping[str, int], *, was_added: bool, limits: RebalanceLimits | None = None
) -> bool:
    """Whether to begin: a pod was added and some pod is above the stop ratio, or one is above the
    start ratio."""
    limits = limits or RebalanceLimits()
    mean = _mean(sessions)
    if len(sessions) < 2 or mean < limits.least_sessions:
        return False
    ratio = limits.stop_ratio if was_added else limits.start_ratio
    return max(sessions.values()) > ratio * mean


def plan_rebalance(
    sessions: Mapping[str, int], limits: RebalanceLimits | None = None
) -> Rebalance | None:
    """How to come to the stop ratio; None when it is reached.

    `sessions`: of the pods that are open, by pod. Moves are at most 1 + margin times the least
    that brings the fullest to the stop ratio.
    """
    limits = limits or RebalanceLimits()
    mean = _mean(sessions)
    if len(sessions) < 2 or mean < limits.least_sessions:
        return None
    level = math.floor(limits.stop_ratio * mean)
    donors: dict[str, int] = {}
    for pod_id, held in sorted(sessions.items()):
        if held > level:
            least = held - level
            donors[pod_id] = min(least + math.floor(least * limits.margin), held - math.ceil(mean))
            donors[pod_id] = max(donors[pod_id], least)
    if not donors:
        return None
    room = {pod_id: mean - held for pod_id, held in sorted(sessions.items()) if held < mean}
    return Rebalance(donors, _share_out(sum(donors.values()), room))


def choose_movers(
    sessions: Iterable[Mover],
    receivers: Collection[str],
    count: int,
    now: float,
    limits: RebalanceLimits | None = None,
) -> list[str]:
    """The keys of at most `count` sessions that go, best first.

    Idle ones first, then those that the rendezvous hash of the receivers likes best; never one
    that has moved within `rest_seconds`. Fewer than `count` when there are no more.
    """
    limits = limits or RebalanceLimits()
    ranked = sorted(
        (not one.is_idle, -_liking(one.key, receivers), one.key)
        for one in sessions
        if one.moved_at is None or now - one.moved_at >= limits.rest_seconds
    )
    return [key for _, _, key in ranked[: max(0, count)]]


def _liking(key: str, receivers: Collection[str]) -> int:
    return max((rendezvous.weight(key, pod_id) for pod_id in receivers), default=0)


def _mean(sessions: Mapping[str, int]) -> float:
    return sum(sessions.values()) / max(1, len(sessions))


def _share_out(moves: int, room: Mapping[str, float]) -> dict[str, int]:
    """Whole moves in proportion to the room; what rounding leaves goes to the largest rests."""
    total = math.fsum(room.values())
    exact = {pod_id: moves * space / total for pod_id, space in room.items()}
    shares = {pod_id: math.floor(share) for pod_id, share in exact.items()}
    rests = sorted(exact, key=lambda pod_id: (shares[pod_id] - exact[pod_id], pod_id))
    for pod_id in rests[: moves - sum(shares.values())]:
        shares[pod_id] += 1
    return {pod_id: share for pod_id, share in shares.items() if share}
