"""What a history says: counts, figures, and violations with what proves them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

HEADS_SECONDS: Final = 30.0
"""How long after the last fault every device may take to reach its head."""
SHOWN: Final = 20
KINDS: Final = (
    "lost",
    "duplicated",
    "reordered",
    "holes",
    "phantoms",
    "disagreements",
    "cursors_back",
)


class Violation(NamedTuple):
    """A broken promise; `lines` of the history (the first is 1) prove it."""

    kind: str
    text: str
    lines: tuple[int, ...]


class Violations:
    """Counts all of them, keeps the first few of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._kept: dict[str, list[Violation]] = {kind: [] for kind in KINDS}

    def add(self, kind: str, text: str, *lines: int, count: int = 1) -> None:
        """One more of `kind`. KeyError for a kind that there is not."""
        kept = self._kept[kind]
        self.counts[kind] += count
        if len(kept) < SHOWN:
            kept.append(Violation(kind, text, tuple(sorted({line for line in lines if line}))))

    def copy(self) -> Violations:
        """Another one with the same in it."""
        twin = Violations()
        twin.counts = self.counts.copy()
        twin._kept = {kind: list(kept) for kind, kept in self._kept.items()}
        return twin

    def shown(self) -> tuple[Violation, ...]:
        """At most 20, as many of each kind as there is room for."""
        rows = list(self._kept.values())
        turns = (kept[turn] for turn in range(SHOWN) for kept in rows if turn < len(kept))
        return tuple(sorted([one for one, _ in zip(turns, range(SHOWN), strict=False)]))


@dataclass(frozen=True)
class Verdict:
    """The promises hold when `holds`."""

    invoked: int
    accepted: int
    refused: int
    """Sends that certainly did not happen."""
    unknown: int
    """Sends whose outcome the sender never learnt."""
    delivered: int
    counts: dict[str, int]
    """By kind of violation; every kind is there."""
    shown: tuple[Violation, ...]
    gap_p50_ms: float
    gap_p99_ms: float
    gap_max_ms: float
    latency_p50_ms: float
    latency_p99_ms: float
    seconds_to_heads: float | None
    """None: something never came."""
    faults: dict[str, int] = field(default_factory=dict)
    """How many of each kind."""
    seed: int | None = None
    is_complete: bool = True
    """False: the history breaks off before its end, so "lost" may still have been under way."""

    @property
    def lost(self) -> int:
        return self.counts["lost"]

    @property
    def duplicated(self) -> int:
        return self.counts["duplicated"]

    @property
    def reordered(self) -> int:
        return self.counts["reordered"]

    @property
    def violations(self) -> int:
        """Everything that must not be."""
        return sum(self.counts.values())

    @property
    def is_late(self) -> bool:
        """Whether the devices took too long to reach their heads."""
        return self.seconds_to_heads is None or self.seconds_to_heads > HEADS_SECONDS

    @property
    def holds(self) -> bool:
        """Whether every promise was kept to the end, the time to the heads included."""
        return self.is_complete and self.violations == 0 and not self.is_late

    def as_json(self) -> dict[str, Any]:
        """The figures, flat; milliseconds and seconds rounded."""
        return {
            "invoked": self.invoked,
            "accepted": self.accepted,
            "refused": self.refused,
            "unknown": self.unknown,
            "delivered": self.delivered,
            **{kind: self.counts[kind] for kind in KINDS},
            "gap_p50_ms": round(self.gap_p50_ms, 1),
            "gap_p99_ms": round(self.gap_p99_ms, 1),
            "gap_max_ms": round(self.gap_max_ms, 1),
            "latency_p50_ms": round(self.latency_p50_ms, 1),
            "latency_p99_ms": round(self.latency_p99_ms, 1),
            "seconds_to_heads": None
            if self.seconds_to_heads is None
            else round(self.seconds_to_heads, 2),
            "faults": dict(self.faults),
            "seed": self.seed,
            "complete": self.is_complete,
            "holds": self.holds,
        }

    def __str__(self) -> str:
        return f"lost {self.lost}, duplicated {self.duplicated}, reordered {self.reordered}"
