"""What is on its way to a reader and not acknowledged, and how much more may be sent.

In flight = written - cursor (rule 19). A completed write is not a delivery, so this count,
not the transport, keeps a slow reader from filling the pod's memory. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Numbered(NamedTuple, Generic[T]):
    """An item with its place in the timeline and its size in bytes."""

    seq: int
    size: int
    item: T


class AckAheadError(Exception):
    """The reader acknowledged what was never sent to it."""

    def __init__(self, cursor: int, written: int) -> None:
        super().__init__(f"acknowledged up to {cursor}, sent only up to {written}")
        self.cursor = cursor
        self.written = written


class Flight(NamedTuple, Generic[T]):
    """One entry that was written and not acknowledged."""

    entry: Numbered[T]
    written_at: float


@dataclass(frozen=True)
class WindowStatistics:
    """What a Window counts at this moment."""

    cursor: int
    written: int
    in_flight_messages: int
    in_flight_bytes: int


class Window(Generic[T]):
    """The entries in flight to one reader.

    Invariants: every entry in flight has cursor < seq <= written; seqs rise in the order of
    writing; the byte count is the sum of the entries' sizes. `written` never falls, so an
    acknowledgement that crosses a rewind is still good.
    """

    def __init__(self, cursor: int, *, max_messages: int, max_bytes: int) -> None:
        if cursor < 0 or max_messages < 1 or max_bytes < 1:
            raise ValueError("a window needs a cursor of at least 0 and room for one message")
        self._cursor = cursor
        self._written = cursor
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._flights: deque[Flight[T]] = deque()
        self._bytes = 0

    @property
    def cursor(self) -> int:
        """Everything up to here is acknowledged."""
        return self._cursor

    @property
    def written(self) -> int:
        """The highest seq that was ever sent: an acknowledgement may reach it."""
        return self._written

    @property
    def in_flight(self) -> int:
        """Messages that were written and not acknowledged."""
        return len(self._flights)

    @property
    def in_flight_bytes(self) -> int:
        """Their bytes."""
        return self._bytes

    def has_room(self, size: int) -> bool:
        """Whether an entry of `size` bytes may be written; always, when nothing is in flight."""
        return not self._flights or (
            len(self._flights) < self._max_messages and self._bytes + size <= self._max_bytes
        )

    def write(self, entry: Numbered[T], now: float) -> None:
        """The entry goes out now. At or below the cursor it is a repeat and not counted.

        Raises ValueError when it, or one after it, is in flight already.
        """
        seq = entry.seq
        if seq > self._cursor:
            flights = self._flights
            if flights and seq <= flights[-1].entry.seq:
                raise ValueError(f"{seq} is in flight already, or passed")
            flights.append(Flight(entry, now))
            self._bytes += entry.size
        self._written = max(self._written, seq)

    def pass_to(self, seq: int) -> None:
        """Everything up to `seq` has reached the reader, partly by other ways than `write`."""
        self._written = max(self._written, seq)

    def acknowledge(self, cursor: int) -> bool:
        """The reader has everything up to `cursor`. Return whether that is news.

        Raises AckAheadError, and changes nothing, when that was never written.
        """
        if cursor > self._written:
            raise AckAheadError(cursor, self._written)
        if cursor <= self._cursor:
            return False
        self._cursor = cursor
        flights = self._flights
        while flights and flights[0].entry.seq <= cursor:
            self._bytes -= flights.popleft().entry.size
        return True

    def rewind(self, from_seq: int) -> None:
        """What was written from `from_seq` on will be written again: it is not in flight now."""
        flights = self._flights
        while flights and flights[-1].entry.seq >= from_seq:
            self._bytes -= flights.pop().entry.size

    @property
    def oldest(self) -> Flight[T] | None:
        """The entry that is in flight for longest."""
        return self._flights[0] if self._flights else None

    def flights(self) -> Iterator[Flight[T]]:
        """The entries in flight, the oldest first. Do not change the window meanwhile."""
        return iter(self._flights)

    def statistics(self) -> WindowStatistics:
        """The figures at this moment."""
        return WindowStatistics(self._cursor, self._written, len(self._flights), self._bytes)
