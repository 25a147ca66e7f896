"""Where sessions go: the choice of targets, by a pod that drains and by one that is full.

Of two pods drawn by weight the emptier one is taken (Mitzenmacher, "The Power of Two Choices in
Randomized Load Balancing", 1996): "everybody to the emptiest" herds, because the table is
seconds old. What was assigned since is counted on top of it. A pod that has just started gets
little at first. A controller that sees the whole cluster may say shares instead; they hold for
10 s. Pure: `now` is monotonic seconds, dice come in.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from whimbrel.core.drain.candidates import Candidate
from whimbrel.core.drain.dice import Dice

MOST_TARGETS: Final = 3
"""A client is told so many at most."""
SHARES_SECONDS: Final = 10.0
"""For so long a controller's shares hold: as long as the rate that it grants."""
RAMP_SECONDS: Final = 30.0
"""After its start a pod comes to its full weight in so long: its caches are cold, and its links
are young."""
RAMP_FLOOR: Final = 0.1
"""The weight of a pod in its first second. Never 0: somebody must be first."""
MEMORY_SECONDS: Final = 3.0
"""What was assigned counts for at least so long: the figures in a table are as old as the last
renewal of a lease, and a session that was asked to move needs time to arrive."""
_LEAST_SPARE: Final = 0.05
"""Of the mean: the spare capacity that a pod without a limit always has."""


class Target(NamedTuple):
    """A pod, and where clients reach it."""

    pod_id: str
    endpoint: str


class ChooserStatistics(NamedTuple):
    """The figures at this moment."""

    eligible: int
    has_shares: bool
    assigned: int
    """Since the last table but one."""


class _Shares:
    """A controller's shares: each target gets its part exactly, whatever the dice.

    Every choice earns each target its part of one session, and costs the chosen one a whole. (The
    smooth weighted round robin of nginx.)
    """

    def __init__(self, shares: Sequence[tuple[str, str, float]], until: float) -> None:
        self.until = until
        fit = [(Target(pod_id, at), weight) for pod_id, at, weight in shares if weight > 0]
        total = math.fsum(weight for _, weight in fit)
        self._parts = {target: weight / total for target, weight in fit}
        self._earned = dict.fromkeys(self._parts, 0.0)

    def choose(self, dice: Dice) -> list[Target]:
        """Who has earned most comes first; a draw decides between equals."""
        for target, part in self._parts.items():
            self._earned[target] += part
        order = sorted(self._earned, key=lambda target: (-self._earned[target], dice.fraction()))
        if order:
            self._earned[order[0]] -= 1.0
        return order[:MOST_TARGETS]

    def pod_ids(self) -> list[str]:
        """Who has a share."""
        return [target.pod_id for target in self._parts]

    def take_over(self, other: _Shares) -> None:
        """Go on with what the shares of a second ago left as earned: at one session a second all
        would go to the same target otherwise."""
        for target in self._earned:
            self._earned[target] = other._earned.get(target, 0.0)


class TargetChooser:
    """One pod's choice of targets. `see` a table whenever there is one, then `choose`."""

    def __init__(self) -> None:
        self._eligible: list[Candidate] = []
        self._assigned: dict[str, int] = {}
        self._assigned_before: dict[str, int] = {}
        self._turned_at = -math.inf
        self._shares: _Shares | None = None

    def see(
        self, candidates: Iterable[Candidate], *, leaving: str, revision: str | None, now: float
    ) -> None:
        """The Access pods as they are known now. `leaving`: the pod that the sessions leave.
        `revision`: the one to prefer, during an upgrade; None: any."""
        self._eligible = eligible(candidates, leaving=(leaving,), revision=revision)
        if now - self._turned_at >= MEMORY_SECONDS:
            self._assigned_before, self._assigned = self._assigned, {}
            self._turned_at = now

    def shares(self, shares: Sequence[tuple[str, str, float]], now: float) -> None:
        """A controller's shares (pod_id, endpoint, weight): for 10 s they stand for the own
        table. None at all: there is no place now, so `choose` finds none."""
        fresh = _Shares(shares, now + SHARES_SECONDS)
        if self._shares is not None:
            fresh.take_over(self._shares)
        self._shares = fresh

    def forget_shares(self) -> None:
        """The order that they came with is over."""
        self._shares = None

    def choose(self, dice: int, now: float) -> list[Target]:
        """Up to 3 targets for one session, best first; empty when there is no place.

        The first one is counted as assigned. The others are alternates, in other zones and on
        other nodes where there are such. `dice`: a random integer of 64 bits.
        """
        draws = Dice(dice)
        if self._shares is not None and now < self._shares.until:
            return self._shares.choose(draws)
        left = [(one, spare) for one, spare in self._spares() if spare > 0]
        chosen: list[Candidate] = []
        while left and len(chosen) < MOST_TARGETS:
            pool = _elsewhere(left, chosen)
            weights = [spare * _ramp(one, now) for one, spare in pool]
            first, second = draws.weighted(weights), draws.weighted(weights)
            best = max(first, second, key=lambda index: pool[index][1])
            chosen.append(pool[best][0])
            left.remove(pool[best])
        if chosen:
            pod_id = chosen[0].pod_id
            self._assigned[pod_id] = self._assigned.get(pod_id, 0) + 1
        return [Target(one.pod_id, one.endpoint) for one in chosen]

    def pod_ids(self, now: float) -> list[str]:
        """Who may be chosen now."""
        if self._shares is not None and now < self._shares.until:
            return self._shares.pod_ids()
        return [one.pod_id for one in self._eligible]

    def knows_anybody(self, now: float) -> bool:
        """Whether there is a pod to choose, now or as soon as a controller finds a place: one of
        the last table, or one with a share that holds."""
        return bool(self._eligible or self.pod_ids(now))

    def budgets(self) -> list[float]:
        """Arrivals a second that each eligible target takes: what `own_share` is made of."""
        return [one.arrivals_per_second for one in self._eligible]

    def statistics(self) -> ChooserStatistics:
        """The figures at this moment."""
        assigned = sum(self._assigned.values()) + sum(self._assigned_before.values())
        return ChooserStatistics(len(self._eligible), self._shares is not None, assigned)

    def _spares(self) -> list[tuple[Candidate, float]]:
        held = [one.sessions + self._assigned_to(one.pod_id) for one in self._eligible]
        mean = max(1.0, sum(held) / max(1, len(held)))
        return [
            (one, spare_capacity(one, sessions, mean))
            for one, sessions in zip(self._eligible, held, strict=True)
        ]

    def _assigned_to(self, pod_id: str) -> int:
        return self._assigned.get(pod_id, 0) + self._assigned_before.get(pod_id, 0)


def eligible(
    candidates: Iterable[Candidate], *, leaving: Collection[str], revision: str | None = None
) -> list[Candidate]:
    """Who may be a target: open, reachable, not leaving; of `revision` if any of those is."""
    fit = [one for one in candidates if one.is_open and one.endpoint and one.pod_id not in leaving]
    preferred = [one for one in fit if revision is None or one.revision == revision]
    return preferred or fit


def spare_capacity(candidate: Candidate, sessions: float, mean: float) -> float:
    """Sessions that it still takes. Without a limit of its own: up to twice the mean, so that an
    empty pod draws twice as many as an average one, and a full one next to none."""
    if candidate.max_sessions:
        return max(0.0, candidate.max_sessions - sessions)
    return max(2.0 * mean - sessions, _LEAST_SPARE * mean)


def room(candidates: Iterable[Candidate], *, leaving: Collection[str] = ()) -> float:
    """Sessions that all who are open take together: infinite if one of them has no limit, 0 if
    there is none."""
    return math.fsum(
        max(0, one.max_sessions - one.sessions) if one.max_sessions else math.inf
        for one in eligible(candidates, leaving=leaving)
    )


def youngest_revision(candidates: Iterable[Candidate]) -> str | None:
    """The revision that an upgrade goes to, for pods that nobody tells: the one whose
    earliest-started pod started last. (A pod of the old revision that was started again does not
    make it young.) None without a candidate."""
    first_start: dict[str, float] = {}
    for one in candidates:
        start = first_start.get(one.revision, math.inf)
        first_start[one.revision] = min(start, one.started_at)
    return max(first_start, key=lambda name: (first_start[name], name), default=None)


def _ramp(candidate: Candidate, now: float) -> float:
    return min(1.0, max(RAMP_FLOOR, (now - candidate.started_at) / RAMP_SECONDS))


def _elsewhere(
    left: list[tuple[Candidate, float]], chosen: list[Candidate]
) -> list[tuple[Candidate, float]]:
    """Those that share neither zone nor node with who is chosen; or no node; or all."""
    zones, nodes = {one.zone for one in chosen}, {one.node for one in chosen}
    other_zone = [pair for pair in left if pair[0].zone not in zones]
    other_node = [pair for pair in left if pair[0].node not in nodes]
    return other_zone or other_node or left
