"""When a reader has not acknowledged in time: redeliver once, then say so once (rule 19).

One timer for all that is in flight, counted from the last progress: a reader that goes on
acknowledging, however slowly, is alive. Pure; it reads a Window and never changes it.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from whimbrel.core.window import Numbered, Window

T = TypeVar("T")


class SeqRange(NamedTuple):
    """Both ends belong to it."""

    first: int
    last: int


class AckTimer(Generic[T]):
    """The stages of what is in flight: fresh, then redelivered, then reported.

    Stages follow the order of seq, so two marks are enough: everything up to `_redelivered`
    was sent a second time, everything up to `_reported` was given up. Both only rise, which
    makes "at most once per entry and stream" true by construction.
    """

    __slots__ = ("_redelivered", "_reported", "_since", "_timeout", "_unacknowledged", "again")

    def __init__(self, timeout_seconds: float) -> None:
        self.again: list[Numbered[T]] = []
        """To be delivered once more, lower than what is ready. For `take_again`, and to look at."""
        self._timeout = timeout_seconds
        self._since = 0.0
        self._redelivered = 0
        self._reported = 0
        self._unacknowledged: SeqRange | None = None

    def progressed(self, now: float) -> None:
        """The reader acknowledged something, or the timer starts again after standing still."""
        self._since = now

    def deadline(self, window: Window[T]) -> float | None:
        """When `expire` has something to do; None while everything in flight was given up."""
        oldest = window.oldest
        if oldest is None or window.written <= self._reported:
            return None
        return max(oldest.written_at, self._since) + self._timeout

    def expire(self, window: Window[T], now: float) -> None:
        """Move every overdue entry one stage on. To be called at the deadline or later."""
        due = self.deadline(window)
        if due is None or now < due:
            return
        self._since = now
        first = max(window.cursor, self._reported) + 1
        if first <= self._redelivered:
            # A redelivery that nobody could take in all this time goes into a full pipe.
            self.again.clear()
            known = self._unacknowledged
            self._unacknowledged = SeqRange(known.first if known else first, self._redelivered)
            self._reported = self._redelivered
        redeliver: list[Numbered[T]] = []
        for flight in window.flights():
            if flight.written_at + self._timeout > now:
                break
            if flight.entry.seq > self._redelivered:
                redeliver.append(flight.entry)
        if redeliver:
            self._redelivered = redeliver[-1].seq
            self.again.extend(redeliver)

    def take_again(self, cursor: int, max_bytes: int) -> tuple[list[T], int]:
        """What to write once more, and its bytes: what is above the cursor still, at most
        `max_bytes`, but at least one entry when there is one."""
        taken: list[T] = []
        size = 0
        while self.again and (not taken or size + self.again[0].size <= max_bytes):
            entry = self.again.pop(0)
            if entry.seq > cursor:
                taken.append(entry.item)
                size += entry.size
        return taken, size

    def take_unacknowledged(self) -> SeqRange | None:
        """What was redelivered and still not acknowledged, each range once."""
        taken, self._unacknowledged = self._unacknowledged, None
        return taken
