"""Who takes the sessions, and how fast each pod that drains may ask: one budget for the cluster.

Every plan gets a part of one rate, and the targets' parts of it are the same for all plans, so
that pods which drain at the same time cannot double the herd at a target.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from whimbrel.core.drain.candidates import Candidate
from whimbrel.core.drain.targets import RAMP_FLOOR, RAMP_SECONDS, eligible, room, spare_capacity

ROOM_FACTOR: Final = 1.1
"""How much more room than sessions there must be: new clients come while others move."""


_GAP_SECONDS: Final = 3.0
_HORIZON_SECONDS: Final = 2.0
"""An order and the figures under it may be so old: what a target takes in this time must fit."""


class Share(NamedTuple):
    """A target and its part."""

    pod_id: str
    endpoint: str
    weight: float


class Places(NamedTuple):
    """The targets of all plans together."""

    targets: list[Candidate]
    room: float
    """Sessions that they take together; infinite if one has no limit."""

    @property
    def budgets(self) -> list[float]:
        """Arrivals a second, of each."""
        return [target.arrivals_per_second for target in self.targets]

    def takes(self, sessions: int) -> bool:
        """Whether so many can be moved without overloading anybody."""
        return bool(self.targets) and self.room >= ROOM_FACTOR * sessions


class RevisionGap:
    """Whether to wait for a pod of the newest revision, because only old ones are open.

    The platform stops an old pod when a new one is ready, and the pod that is stopped says so at
    once; the registry, half a second old, and the platform's watch tell of the new one later.
    Whoever is moved to an old pod meanwhile moves twice. A gap that lasts is none: the new pods
    do not come up.
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def is_open(self, places: Places | None, revision: str | None, now: float) -> bool:
        """Look at the targets; None when nobody is to move. True for 3 s at most."""
        if (
            places is None
            or not places.targets
            or revision is None
            or any(one.revision == revision for one in places.targets)
        ):
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since < _GAP_SECONDS


def find_places(
    candidates: Sequence[Candidate], leaving: Iterable[str], revision: str | None, sessions: int
) -> Places:
    """The targets: of the newest revision as long as those have room for all, since who moves to
    an old pod in a rollout moves twice; else all that are open."""
    gone = frozenset(leaving)
    newest = eligible(candidates, leaving=gone, revision=revision)
    places = Places(newest, room(newest))
    if places.takes(sessions):
        return places
    everybody = eligible(candidates, leaving=gone)
    return Places(everybody, room(everybody))


def share_out(places: Places, rate_per_second: float, now: float) -> list[Share]:
    """How the rate falls on the targets, in sessions a second each: by spare capacity, slowly on
    new pods, on nobody more than its budget, nor more than fits until the next order. What one
    cannot take goes to the others; the sum is the rate that may be granted."""
    targets = places.targets
    mean = max(1.0, sum(one.sessions for one in targets) / max(1, len(targets)))
    pull = {
        one.pod_id: spare_capacity(one, one.sessions, mean) * _ramp(one, now) for one in targets
    }
    given = _fill(
        {pod_id: weight for pod_id, weight in pull.items() if weight > 0},
        {one.pod_id: _limit(one) for one in targets},
        min(rate_per_second, math.fsum(places.budgets)),
    )
    return [
        Share(one.pod_id, one.endpoint, given[one.pod_id])
        for one in targets
        if given.get(one.pod_id, 0.0) > 0
    ]


def split_rate(rate_per_second: float, needs: Mapping[str, tuple[int, float]]) -> dict[str, float]:
    """Each plan's part of the rate: by sessions that remain and how soon they must be gone.

    `needs`: (sessions, seconds left) by plan or pod; infinite seconds count as ten minutes.
    """
    urgency = {
        key: sessions / max(1.0, min(seconds, 600.0)) for key, (sessions, seconds) in needs.items()
    }
    total = math.fsum(urgency.values())
    if total <= 0:
        return dict.fromkeys(needs, 0.0)
    return {key: rate_per_second * part / total for key, part in urgency.items()}


def _ramp(candidate: Candidate, now: float) -> float:
    return min(1.0, max(RAMP_FLOOR, (now - candidate.started_at) / RAMP_SECONDS))


def _limit(target: Candidate) -> float:
    if not target.max_sessions:
        return target.arrivals_per_second
    fits = max(0, target.max_sessions - target.sessions) / _HORIZON_SECONDS
    return min(target.arrivals_per_second, fits)


def _fill(pull: dict[str, float], limits: Mapping[str, float], amount: float) -> dict[str, float]:
    """Pour `amount` in proportion to the pull; who is full leaves the rest to the others."""
    given = dict.fromkeys(pull, 0.0)
    thirsty = dict(pull)
    left = amount
    while thirsty and left > 1e-9:
        total = math.fsum(thirsty.values())
        full = [
            key
            for key, weight in thirsty.items()
            if given[key] + left * weight / total >= limits[key] - 1e-9
        ]
        if not full:
            for key, weight in thirsty.items():
                given[key] += left * weight / total
            break
        for key in full:
            left -= limits[key] - given[key]
            given[key] = limits[key]
            del thirsty[key]
    return given
