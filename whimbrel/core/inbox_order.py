"""What has come for a device, in order, and when to ask for what has not.

One sequence goes through all streams: it decides what the application gets. Another begins with
each stream: an ack must not go beyond it, since the server would take that for a lie. As soon as
both stand at the same place one does for both. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from whimbrel.core.inbox_types import InboxLimits
from whimbrel.core.sequence import Sequence

T = TypeVar("T")


class InboxOrder(Generic[T]):
    """The numbered things that one device was given, over all its streams."""

    __slots__ = (
        "_head",
        "_is_overlapping",
        "_limits",
        "_progressed_at",
        "_stuck_seq",
        "_stuck_since",
        "sequence",
        "stream",
    )

    def __init__(self, limits: InboxLimits) -> None:
        self._limits = limits
        self.sequence: Sequence[T] = Sequence(capacity=limits.hold_capacity)
        """Over all streams."""
        self.stream: Sequence[None] | None = None
        """Of the present stream; None: the same as `sequence`."""
        self._is_overlapping = False
        self._head = 0
        self._stuck_seq = 0
        self._stuck_since = 0.0
        self._progressed_at = 0.0

    @property
    def front(self) -> Sequence[Any]:
        """What the present stream has brought, in order."""
        return self.sequence if self.stream is None else self.stream

    # --- streams ---------------------------------------------------------------------

    def attached(self, first_seq: int, head: int, now: float, *, overlap: bool) -> list[T]:
        """A stream that begins with `first_seq`; what is in order now. See Inbox.attached."""
        sequence, released = self.sequence, list[T]()
        if sequence.next_seq == 0:
            sequence.restart(first_seq)
        elif first_seq > sequence.next_seq:
            released = sequence.start(first_seq)
        self._is_overlapping = overlap
        same = sequence.next_seq == first_seq and not sequence.held and not overlap
        self.stream = None if same else Sequence(first_seq, capacity=self._limits.hold_capacity)
        self._head = head
        self._note_progress(now)
        return released

    def alone(self) -> None:
        """No older stream brings anything any more."""
        self._is_overlapping = False
        self._join()

    def detached(self) -> None:
        """The stream is gone."""
        self._is_overlapping = False

    def forget(self) -> None:
        """Begin where the next stream does."""
        self.sequence = Sequence(capacity=self._limits.hold_capacity)
        self.stream = None

    # --- inputs ----------------------------------------------------------------------

    def offer(self, seq: int, item: T, now: float, *, aside: bool) -> list[T]:
        """It has come, `aside` on the older of two streams; what is in order now."""
        released = self.sequence.offer(seq, item)
        if self.stream is not None and not aside:
            self.stream.offer(seq, None)
            self._join()
        self._note_progress(now)
        return released

    def head_news(self, head: int, now: float) -> None:
        """The timeline reaches at least `head`."""
        if head > self._head:
            self._head = head
            self._progressed_at = now

    def acknowledged(self, now: float) -> None:
        """The server hears an ack, and may go on because of it."""
        self._progressed_at = now

    # --- what is missing -------------------------------------------------------------

    def ask_at(self, *, is_idle: bool) -> float | None:
        """When to ask again; None while nothing is missing. `is_idle`: the server waits for
        nothing from here before it sends more."""
        front = self.front
        if front.held:
            return self._stuck_since + self._limits.hole_seconds
        if is_idle and self._head >= front.next_seq:
            return self._progressed_at + self._limits.quiet_seconds
        return None

    def asked(self, now: float) -> int:
        """The question goes out now; from which seq on it asks."""
        self._stuck_since = self._progressed_at = now
        return self.front.next_seq

    # --- inside ----------------------------------------------------------------------

    def _join(self) -> None:
        """The present stream has brought all there is: from here on one sequence does."""
        stream, sequence = self.stream, self.sequence
        if stream is None or self._is_overlapping:
            return
        if stream.next_seq == sequence.next_seq and not sequence.held:
            self.stream = None

    def _note_progress(self, now: float) -> None:
        self._progressed_at = now
        front = self.front
        missing = front.next_seq if front.held else 0
        if self._stuck_seq != missing:
            self._stuck_seq = missing
            self._stuck_since = now
