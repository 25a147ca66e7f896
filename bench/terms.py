"""How carefully a bench measures: how often, how long, with how many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.bare import BareWorkload

Say = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Terms:
    """What all benches share."""

    runs: int = 3
    """Of each figure that is a median."""
    seconds: float = 10.0
    """Measured, of each run."""
    warm_up_seconds: float = 2.0
    warms_up: bool = True
    """Whether a short run comes before those that count."""
    processes: int = 2
    """Of the load of throughput and latency."""
    most_pods: int = 4
    """Of each role, where pods are added."""
    size: float = 1.0
    """Share of the people, messages and devices that a bench has when nobody says otherwise."""
    bare: BareWorkload = BareWorkload()  # noqa: RUF009 - frozen
    profile: Path | None = None
    """Where flame graphs go; None makes none."""
    say: Say = _silent
    """Gets a line for each step."""

    def sized(self, full: int, least: int = 2) -> int:
        """So many of what a full measurement has `full` of."""
        return max(least, round(full * self.size))


SMOKE: Final = Terms(
    runs=1,
    seconds=0.5,
    warm_up_seconds=0.2,
    warms_up=False,
    processes=1,
    most_pods=2,
    size=0.02,
    bare=BareWorkload(streams=4, idle_streams=20, seconds=0.2),
)
"""Only shows that a bench works; its figures mean nothing."""
