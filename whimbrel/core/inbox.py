"""What a device has received: in order, each once, and what it may acknowledge.

    deliver, accepted ──▶ Sequence ──▶ waiting ──take──▶ the application ──finish──▶ handled
                             │ a hole for 1 s                                          │
                             └──▶ sync_due                                  ack_due ◀──┘

`handled` is the highest seq up to which the application has finished everything; it is the
device's cursor. Voids, and the device's own messages, need no application: they are handled as
soon as everything before them is. An Ack never goes beyond what has come on the present stream,
since the server would take that for a lie (ACK_AHEAD): after a reconnect the cursor may be ahead
of what the new stream has repeated. While a session moves, two streams bring entries: what comes
`aside`, on the older one, counts for the application and not for the acks. Pure: `now` is
monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple

from whimbrel.core.ack_debt import AckDebt
from whimbrel.core.inbox_types import (
    InboxLimits,
    InboxStatistics,
    M,
    Received,
    RemoteProtocolError,
)
from whimbrel.core.lateness import Lateness
from whimbrel.core.sequence import Sequence


class _Place(NamedTuple, Generic[M]):
    seq: int
    message: M | None
    own: tuple[str, int] | None
    hint: bool
    size: int


class Inbox(Generic[M]):
    """The received side of one device, over all its streams.

    Invariants: messages leave `take` in rising seq, each once; `handled` never falls, except
    by `forget_cursor`; an ack is at most `handled` and at most what came on this stream.
    """

    def __init__(
        self,
        limits: InboxLimits | None = None,
        *,
        cursor: int | None = None,
        highest: Mapping[str, int] | None = None,
    ) -> None:
        self._limits = limits or InboxLimits()
        self._start = cursor
        self._sequence: Sequence[_Place[M]] = Sequence(capacity=self._limits.hold_capacity)
        self._stream: Sequence[None] | None = None  # None: the same as _sequence
        self._is_overlapping = False
        self._waiting: deque[Received[M]] = deque()
        self._current: Received[M] | None = None
        self._lateness = Lateness(self._limits.conversations, highest)
        self._debt = AckDebt(self._limits)
        self._most_waiting = 4 * 256
        self._is_attached = False
        self._first_here = 0
        self._head = 0
        self._stuck_seq = 0
        self._stuck_since = 0.0
        self._progressed_at = 0.0
        self._repeats = 0
        self._syncs = 0

    # --- what the driver may look at -------------------------------------------------

    @property
    def cursor(self) -> int | None:
        """What Hello says: everything up to here is done. None when nothing is known."""
        return self._start if self._sequence.next_seq == 0 else self.handled

    @property
    def handled(self) -> int:
        """The application has finished everything up to here."""
        first = self._current or (self._waiting[0] if self._waiting else None)
        return (self._sequence.next_seq if first is None else first.seq) - 1

    @property
    def confirmed(self) -> int:
        """The server has stored an ack up to here: delivery never starts below again."""
        return self._debt.confirmed

    @property
    def has_waiting(self) -> bool:
        """Whether `take` has a message."""
        return bool(self._waiting)

    @property
    def owes_ack(self) -> bool:
        """Whether something is handled and neither acknowledged nor too early for it, or the
        server has not heard the last ack."""
        return self._is_attached and self._debt.owes(self._ack_target())

    @property
    def awaits_confirmation(self) -> bool:
        """Whether an ack of this stream is on its way."""
        return self._is_attached and self._debt.awaits_confirmation

    def ack_at(self) -> float | None:
        """When `ack_due` has something; None while nothing is owed."""
        return self._debt.due_at(self._ack_target())

    def statistics(self) -> InboxStatistics:
        """The figures at this moment."""
        return InboxStatistics(
            handled=max(0, self.handled),
            received=max(0, self._sequence.next_seq - 1),
            acked=self._debt.acked,
            confirmed=self._debt.confirmed,
            waiting=len(self._waiting),
            held=self._sequence.held,
            repeats=self._repeats,
            syncs=self._syncs,
        )

    # --- streams ---------------------------------------------------------------------

    def attached(
        self,
        first_seq: int,
        head: int,
        window_messages: int,
        window_bytes: int,
        now: float,
        *,
        overlap: bool = False,
    ) -> None:
        """A Welcome. When `first_seq` lies beyond what is expected, this device has
        acknowledged what is between in an earlier life: it will not come again. With `overlap`
        the stream before still brings entries, which come `aside`, until `alone`.
        RemoteProtocolError, and nothing changed, when `first_seq` is no seq."""
        if first_seq < 1:
            raise RemoteProtocolError("numbers begin at 1")
        self._most_waiting = 4 * max(1, window_messages)
        if self._sequence.next_seq == 0:
            self._sequence.restart(first_seq)
        elif first_seq > self._sequence.next_seq:
            self._release(self._sequence.start(first_seq))
        self._is_overlapping = overlap
        same = self._sequence.next_seq == first_seq and not self._sequence.held and not overlap
        self._stream = None if same else Sequence(first_seq, capacity=self._limits.hold_capacity)
        self._is_attached = True
        self._head = head
        self._first_here = first_seq
        self._debt.attached(first_seq, window_messages, window_bytes)
        self._progressed(now)

    def alone(self) -> None:
        """The older one of two streams has ended."""
        self._is_overlapping = False
        self._join()

    def detached(self) -> None:
        """The stream is gone. What waits still waits, what is missing comes again."""
        self._is_attached = self._is_overlapping = False
        self._debt.detached()

    def forget_cursor(self) -> None:
        """The server does not know our seqs (SEQ_AHEAD): begin where the next Welcome says.

        What waits is dropped, it comes again if it exists; finishing what the application has
        in hand counts no more.
        """
        self._start = None
        self._sequence = Sequence(capacity=self._limits.hold_capacity)
        self._stream = None
        self._waiting.clear()
        self._current = None
        self._lateness = Lateness(self._limits.conversations)
        self._debt.forget()

    # --- inputs ----------------------------------------------------------------------

    def deliver(
        self,
        seq: int,
        message: M | None,
        *,
        hint: bool,
        size: int,
        now: float,
        aside: bool = False,
    ) -> None:
        """An entry of the timeline; a void when `message` is None.

        Raises RemoteProtocolError when four windows wait already.
        """
        if len(self._waiting) >= self._most_waiting:
            raise RemoteProtocolError(f"{len(self._waiting)} messages wait")
        self._arrive(_Place(seq, message, None, hint, size), now, aside=aside)

    def accepted(
        self, seq: int, conversation_id: str, message_id: int, now: float, *, aside: bool = False
    ) -> None:
        """A message of this very device has its place: that is its delivery."""
        place: _Place[M] = _Place(seq, None, (conversation_id, message_id), False, 0)
        self._arrive(place, now, aside=aside)

    def head_news(self, head: int, now: float) -> None:
        """The timeline reaches at least `head`."""
        if head > self._head:
            self._head = head
            self._progressed_at = now

    def confirm(self, cursor: int) -> None:
        """An AckConfirmed."""
        self._debt.confirm(cursor)

    def take(self, now: float) -> Received[M] | None:
        """The next message, which counts as in hand until `finish` or the next `take`."""
        self.finish(now)
        if self._waiting:
            self._current = self._waiting.popleft()
        return self._current

    def finish(self, now: float) -> None:
        """The application has done with what it has in hand."""
        if self._current is not None:
            self._debt.finished(self._current.size)
            self._current = None
            self._note_debt(now)

    # --- outputs ---------------------------------------------------------------------

    def ack_due(self, now: float, *, flush: bool = False) -> int | None:
        """The cursor to acknowledge now, counted as acknowledged from here on; or None.

        `flush`: without a delay, and once more when its confirmation has not come.
        """
        target = self._ack_target()
        if not (self._is_attached and self._debt.take(target, now, flush=flush)):
            return None
        self._progressed_at = now
        return target

    def passed(self, cursor: int) -> dict[str, int]:
        """What is to be stored together with a cursor of `ack_due`: see Lateness."""
        return self._lateness.passed(cursor)

    def settle(self, cursor: int) -> None:
        """This cursor is stored, with what `passed` gave for it."""
        self._lateness.settle(cursor)

    def sync_due(self, now: float) -> int | None:
        """The seq from which to ask again, at most once in `hole_seconds`; or None.

        The last ack is repeated too: a server that did not hear it waits for it with a full
        window, while this side waits for the next entry.
        """
        at = self._sync_at()
        if at is None or now < at:
            return None
        self._stuck_since = self._progressed_at = now
        self._syncs += 1
        if self._debt.acked >= self._first_here:
            self._debt.unheard()
            self._note_debt(now)
        return self._front.next_seq

    def next_deadline(self) -> float | None:
        """When `ack_due` or `sync_due` will have something; None when only an input helps."""
        ack_at, sync_at = self.ack_at(), self._sync_at()
        if ack_at is None or (sync_at is not None and sync_at < ack_at):
            return sync_at
        return ack_at

    # --- inside ----------------------------------------------------------------------

    @property
    def _front(self) -> Sequence[None] | Sequence[_Place[M]]:
        """What the present stream has brought, in order."""
        return self._sequence if self._stream is None else self._stream

    def _arrive(self, place: _Place[M], now: float, *, aside: bool) -> None:
        if not self._is_attached:
            raise ValueError("entries come on an attached stream only")
        if self._sequence.knows(place.seq):
            self._repeats += 1
            if self._first_here <= place.seq <= self._debt.acked and not aside:
                self._debt.unheard()
                self._note_debt(now)
        self._release(self._sequence.offer(place.seq, place))
        if self._stream is not None and not aside:
            self._stream.offer(place.seq, None)
            self._join()
        self._progressed(now)
        if not self._waiting or self._stream is not None:
            self._note_debt(now)  # else what waits keeps the cursor where it is

    def _join(self) -> None:
        """The present stream has brought all there is: from here on one sequence does."""
        stream, sequence = self._stream, self._sequence
        if stream is None or self._is_overlapping:
            return
        if stream.next_seq == sequence.next_seq and not sequence.held:
            self._stream = None

    def _release(self, places: Iterable[_Place[M]]) -> None:
        """Let in what is in order now. The server's order decides what is late, so not before."""
        for seq, message, own, hint, size in places:
            if own is None:
                self._debt.came(seq)
            if message is not None:
                late = self._lateness.see(
                    seq, message.conversation_id, message.message_id, hint=hint
                )
                self._waiting.append(Received(seq, message, late, size))
            elif own is not None:
                self._lateness.see(seq, own[0], own[1], hint=False)

    def _progressed(self, now: float) -> None:
        self._progressed_at = now
        front = self._front
        missing = front.next_seq if front.held else 0
        if self._stuck_seq != missing:
            self._stuck_seq = missing
            self._stuck_since = now

    def _note_debt(self, now: float) -> None:
        if self._is_attached and not self._debt.has_begun:
            self._debt.note(self._ack_target(), now)

    def _ack_target(self) -> int:
        if not self._is_attached:
            return 0
        return min(self.handled, self._front.next_seq - 1)

    def _sync_at(self) -> float | None:
        if not self._is_attached:
            return None
        if self._front.held:
            return self._stuck_since + self._limits.hole_seconds
        is_behind = self._head >= self._front.next_seq
        owes_ack = self.owes_ack and self._debt.is_missed
        if is_behind and not self._waiting and self._current is None and not owes_ack:
            return self._progressed_at + self._limits.quiet_seconds
        return None
