"""Which fault comes when, where and for how long: a pure function of seed, kinds and field.

It does not know whether a fault could be carried out, nor how long a part took to come back;
so the same seed means the same plan on a fast machine and on a slow one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

from whimbrel.local.nemesis.kinds import KINDS, Field

_SECONDS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "stop": (1.0, 20.0),
        "mongo-stepdown": (2.0, 8.0),
        "net-delay": (2.0, 10.0),
        "net-cut": (0.2, 5.0),
        "net-half-open": (2.0, 12.0),
        "clock": (3.0, 8.0),
    }
)
"""Least and most seconds for which a kind is held; the others are over when the part is back."""

_COMES_BACK_SECONDS: Final = 5.0
"""A target is left alone for so long after a fault, else it would never be seen at work."""
_TOGETHER: Final = (1, 1, 1, 2, 2, 3)
"""How many faults begin at one moment."""
_TWO_KILLED_SHARE: Final = 0.25


@dataclass(frozen=True)
class Fault:
    """One fault as planned. Times in seconds, `at` from the beginning of the run."""

    kind: str
    targets: tuple[str, ...]
    at: float
    seconds: float = 0.0
    """How long it is held; 0 for what ends by itself."""
    amount: float = 0.0
    """net-delay: seconds, ± half of it; clock: the step, in seconds."""
    dead: str = ""
    """net-half-open: the direction that is dead, "up" or "down"."""

    @property
    def target(self) -> str:
        """The targets in one word for a person."""
        if len(self.targets) > 2:
            ends = [set(link.split(">")) for link in self.targets]
            return f"all links of {', '.join(sorted(set.intersection(*ends)))}"
        return "+".join(self.targets)


def plan_faults(
    seed: int, kinds: Collection[str], field: Field, period_seconds: tuple[float, float]
) -> Iterator[Fault]:
    """Faults without end, in the order of `at`; the first after one period. No target has two
    at a time; everything else may overlap.

    Kinds come as from a shuffled deck of cards, so a short run sees as many as it can. Raises
    ValueError when there is nothing to do.
    """
    wanted = [kind for kind in KINDS if kind in kinds and field.targets(kind)]
    least, most = period_seconds
    if not wanted:
        raise ValueError(f"none of these faults can be done here: {', '.join(sorted(kinds))}")
    if not 0 < least <= most:
        raise ValueError(f"a period of {least} to {most} s is none")
    return _deal(Random(seed), wanted, field, (least, most))


def _deal(
    random: Random, wanted: list[str], field: Field, period: tuple[float, float]
) -> Iterator[Fault]:
    free_at: dict[str, float] = {}
    deck: list[str] = []
    at = 0.0
    while True:
        at = round(at + random.uniform(*period), 3)
        for _ in range(random.choice(_TOGETHER)):
            if not deck:
                deck = random.sample(wanted, len(wanted))
            kind = deck.pop()
            fault = _fault(random, kind, at, field, free_at)
            if fault is not None:
                yield fault
            else:
                deck.insert(0, kind)  # all of its targets are busy: later


def _fault(
    random: Random, kind: str, at: float, field: Field, free_at: dict[str, float]
) -> Fault | None:
    """A fault of this kind on something that is free; None when nothing is."""
    free = [
        targets
        for targets in field.targets(kind)
        if all(free_at.get(name, 0.0) <= at for name in targets)
    ]
    if not free:
        return None
    targets = random.choice(free)
    if kind == "kill" and len(free) > 1 and random.random() < _TWO_KILLED_SHARE:
        targets = tuple(sorted(targets + random.choice([one for one in free if one != targets])))
    seconds = round(random.uniform(*_SECONDS[kind]), 3) if kind in _SECONDS else 0.0
    for name in targets:
        free_at[name] = at + seconds + _COMES_BACK_SECONDS
    return Fault(
        kind,
        targets,
        at,
        seconds,
        amount=_amount(random, kind),
        dead=random.choice(("up", "down")) if kind == "net-half-open" else "",
    )


def _amount(random: Random, kind: str) -> float:
    if kind == "net-delay":
        return round(random.uniform(0.02, 0.4), 3)
    if kind == "clock":
        # Small steps as of NTP, and large ones as of an operator's mistake.
        size = random.choice((0.5, 5.0, 60.0, 3600.0))
        return random.choice((-1.0, 1.0)) * size
    return 0.0
