"""One direction of a connection that drops, repeats, delays and reorders frames.

Pure: time is an argument, chance is a seeded Random that the test owns, so a schedule that
fails can be run again. A real gRPC stream only delays and breaks; machines that survive this
survive that.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Generic, TypeVar

F = TypeVar("F")


@dataclass(frozen=True)
class Faults:
    """How bad a link is: probabilities per frame, delays in seconds."""

    drop: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0
    """The share of frames that later ones may overtake."""
    delay_seconds: float = 0.02
    """Upper bound of the normal delay."""
    straggle_seconds: float = 0.5
    """Upper bound of what a frame that is overtaken takes on top."""


PERFECT = Faults()
"""Only delays, and never changes the order."""


class LossyLink(Generic[F]):
    """Takes frames at one end and gives them out at the other."""

    def __init__(self, random: Random, faults: Faults = PERFECT) -> None:
        self.faults = faults
        self._random = random
        self._numbers = count()
        self._under_way: list[tuple[float, int, F]] = []
        self._last = 0.0

    def send(self, frame: F, now: float) -> None:
        """Put a frame in."""
        random, faults = self._random, self.faults
        if random.random() < faults.drop:
            return
        copies = 2 if random.random() < faults.repeat else 1
        for _ in range(copies):
            at = max(self._last, now + random.random() * faults.delay_seconds)
            if random.random() < faults.reorder:
                at += random.random() * faults.straggle_seconds
            else:
                self._last = at
            heapq.heappush(self._under_way, (at, next(self._numbers), frame))

    def take(self, now: float) -> list[F]:
        """What has arrived by now."""
        arrived: list[F] = []
        while self._under_way and self._under_way[0][0] <= now:
            arrived.append(heapq.heappop(self._under_way)[2])
        return arrived

    def next_deadline(self) -> float | None:
        """When the next frame arrives."""
        return self._under_way[0][0] if self._under_way else None

    def cut(self) -> None:
        """The connection breaks: what is under way is lost."""
        self._under_way.clear()
