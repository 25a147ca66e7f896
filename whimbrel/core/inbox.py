"""What a device has received: in order, each once, and what it may acknowledge.

    deliver, accepted ──▶ in order ──▶ waiting ──take──▶ the application ──finish──▶ handled
                             │ a hole for 1 s                                          │
                             └──▶ sync_due                                  ack_due ◀──┘

`handled` is the highest seq up to which the application has finished everything; it is the
device's cursor. Voids, and the device's own messages, need no application: they are handled as
soon as everything before them is. What an Ack may say at most, and what comes on which of two
streams, is InboxOrder's to know. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic

from whimbrel.core.ack_debt import AckDebt
from whimbrel.core.inbox_order import InboxOrder
from whimbrel.core.inbox_reading import InboxReading
from whimbrel.core.inbox_types import (
    InboxLimits,
    InboxStatistics,
    M,
    Place,
    Received,
    RemoteProtocolError,
)


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
        self._order: InboxOrder[Place[M]] = InboxOrder(self._limits)
        self._reading: InboxReading[M] = InboxReading(self._limits.conversations, highest)
        self._debt = AckDebt(self._limits)
        self._most_waiting = 4 * 256
        self._is_attached = False
        self._first_here = 0
        self._repeats = 0
        self._syncs = 0
        # What one part does alone, and says there.
        self.alone = self._order.alone
        self.head_news = self._order.head_news
        self.confirm = self._debt.confirm
        self.passed = self._reading.passed
        self.settle = self._reading.settle

    # --- what the driver may look at -------------------------------------------------

    @property
    def cursor(self) -> int | None:
        """What Hello says: everything up to here is done. None when nothing is known."""
        return self._start if self._order.sequence.next_seq == 0 else self.handled

    @property
    def handled(self) -> int:
        """The application has finished everything up to here."""
        reading = self._reading
        first = reading.current or (reading.waiting[0] if reading.waiting else None)
        return (self._order.sequence.next_seq if first is None else first.seq) - 1

    @property
    def has_waiting(self) -> bool:
        """Whether `take` has a message."""
        return bool(self._reading.waiting)

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
            received=max(0, self._order.sequence.next_seq - 1),
            acked=self._debt.acked,
            confirmed=self._debt.confirmed,
            waiting=len(self._reading.waiting),
            held=self._order.sequence.held,
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
        released = self._order.attached(first_seq, head, now, overlap=overlap)
        self._reading.let_in(released, self._debt)
        self._is_attached = True
        self._first_here = first_seq
        self._debt.attached(first_seq, window_messages, window_bytes)

    def detached(self) -> None:
        """The stream is gone. What waits still waits, what is missing comes again."""
        self._is_attached = False
        self._order.detached()
        self._debt.detached()

    def forget_cursor(self) -> None:
        """The server does not know our seqs (SEQ_AHEAD): begin where the next Welcome says.

        What waits is dropped, it comes again if it exists; finishing what the application has
        in hand counts no more.
        """
        self._start = None
        self._order.forget()
        self._reading.forget()
        self._debt.forget()

    # --- inputs ----------------------------------------------------------------------

    def deliver(
        self, seq: int, message: M | None, *, hint: bool, size: int, now: float, aside: bool = False
    ) -> None:
        """An entry of the timeline; a void when `message` is None.

        Raises RemoteProtocolError when four windows wait already.
        """
        if len(self._reading.waiting) >= self._most_waiting:
            raise RemoteProtocolError(f"{len(self._reading.waiting)} messages wait")
        self._arrive(Place(seq, message, None, hint, size), now, aside=aside)

    def accepted(
        self, seq: int, conversation_id: str, message_id: int, now: float, *, aside: bool = False
    ) -> None:
        """A message of this very device has its place: that is its delivery."""
        place: Place[M] = Place(seq, None, (conversation_id, message_id), False, 0)
        self._arrive(place, now, aside=aside)

    def take(self, now: float) -> Received[M] | None:
        """The next message, which counts as in hand until `finish` or the next `take`."""
        self.finish(now)
        reading = self._reading
        if reading.waiting:
            reading.current = reading.waiting.popleft()
        return reading.current

    def finish(self, now: float) -> None:
        """The application has done with what it has in hand."""
        current = self._reading.current
        if current is not None:
            self._debt.finished(current.size)
            self._reading.current = None
            self._note_debt(now)

    # --- outputs ---------------------------------------------------------------------

    def ack_due(self, now: float, *, flush: bool = False) -> int | None:
        """The cursor to acknowledge now, counted as acknowledged from here on; or None.

        `flush`: without a delay, and once more when its confirmation has not come.
        """
        target = self._ack_target()
        if not (self._is_attached and self._debt.take(target, now, flush=flush)):
            return None
        self._order.acknowledged(now)
        return target

    def sync_due(self, now: float) -> int | None:
        """The seq from which to ask again, at most once in `hole_seconds`; or None.

        The last ack is repeated too: a server that did not hear it waits for it with a full
        window, while this side waits for the next entry.
        """
        at = self._sync_at()
        if at is None or now < at:
            return None
        self._syncs += 1
        if self._debt.acked >= self._first_here:
            self._debt.unheard()
            self._note_debt(now)
        return self._order.asked(now)

    def next_deadline(self) -> float | None:
        """When `ack_due` or `sync_due` will have something; None when only an input helps."""
        ack_at, sync_at = self.ack_at(), self._sync_at()
        if ack_at is None or (sync_at is not None and sync_at < ack_at):
            return sync_at
        return ack_at

    # --- inside ----------------------------------------------------------------------

    def _arrive(self, place: Place[M], now: float, *, aside: bool) -> None:
        if not self._is_attached:
            raise ValueError("entries come on an attached stream only")
        if self._order.sequence.knows(place.seq):
            self._repeats += 1
            if self._first_here <= place.seq <= self._debt.acked and not aside:
                self._debt.unheard()
                self._note_debt(now)
        self._reading.let_in(self._order.offer(place.seq, place, now, aside=aside), self._debt)
        if not self._reading.waiting or self._order.stream is not None:
            self._note_debt(now)  # else what waits keeps the cursor where it is

    def _note_debt(self, now: float) -> None:
        if self._is_attached and not self._debt.has_begun:
            self._debt.note(self._ack_target(), now)

    def _ack_target(self) -> int:
        if not self._is_attached:
            return 0
        return min(self.handled, self._order.front.next_seq - 1)

    def _sync_at(self) -> float | None:
        if not self._is_attached:
            return None
        owes_ack = self.owes_ack and self._debt.is_missed
        is_idle = not self._reading.waiting and self._reading.current is None and not owes_ack
        return self._order.ask_at(is_idle=is_idle)
