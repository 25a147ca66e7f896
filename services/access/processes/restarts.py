"""When a process that has ended is started again, and when it is given up. Pure."""

from __future__ import annotations

from typing import Final

FIRST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 5.0
STABLE_SECONDS: Final = 10.0
"""One that lived so long had started well."""
MOST_IN_A_ROW: Final = 6
"""Starts that came to nothing, after which the pod ends: its platform starts it again, on another
machine if need be, and somebody sees it. With the pauses that is some ten seconds."""

BAD_SETTINGS: Final = 2
"""The exit status that no other start will change."""


class Restarts:
    """The starts of one process."""

    def __init__(self) -> None:
        self.starts = 0
        self._in_a_row = 0

    def pause(self, status: int, lived_seconds: float) -> float | None:
        """It has ended: seconds until it is started again; None: never."""
        self.starts += 1
        if lived_seconds >= STABLE_SECONDS:
            self._in_a_row = 0
        self._in_a_row += 1
        if status == BAD_SETTINGS or self._in_a_row >= MOST_IN_A_ROW:
            return None
        return min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** (self._in_a_row - 1))
