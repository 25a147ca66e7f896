"""One device's delivery machine on the server: order, window, acks, holes, and the modes.

    push ──offer──▶ intake ──take_ready──▶ the stream ──▶ window ──acknowledge──▶ gone
    pull ──pulled─▶   │ missing                             │ overdue
                      └─▶ gap ──next_pull──▶ a fetch        └─▶ ack timer ──tick──▶ once more

    ATTACHING    where the device stands is not known yet; pushes are held
    CATCHING_UP  the backlog is pulled page by page; pushes are held as far as there is room
    LIVE         pushes are the source; a hole is fetched
    LAGGING      the reader is a full window behind: pushes are forgotten except for the highest
                 seq, the timeline is pulled at the reader's pace, a page ahead of it, until it is
                 pulled up to that seq (rule 17)

Pure: `now` is monotonic seconds, items are opaque. The driver calls an input, then asks for
the outputs: `take_ready` while `wants_write`, `next_pull`, `tick` at `next_deadline`, and
`take_unacknowledged`. Memory is bounded by two windows: one in flight, one waiting. What is
illegal raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from whimbrel.core.ack_timer import AckTimer, SeqRange
from whimbrel.core.gap import Gap
from whimbrel.core.intake import Intake
from whimbrel.core.session_types import (
    Mode,
    Pull,
    SeqAheadError,
    SessionLimits,
    SessionStatistics,
    Traffic,
)
from whimbrel.core.window import Numbered, Window

T = TypeVar("T")


class ServerSession(Generic[T]):
    """One device's delivery. Create it before the route is registered, `attach` it after.

    Promises to the reader: entries come in the order of seq, without holes, each once, except
    that an entry may be repeated by a redelivery or because the reader asked (`rewind`).
    """

    __slots__ = (
        "_again",
        "_gap",
        "_head",
        "_intake",
        "_limits",
        "_mode",
        "_satisfied",
        "_timer",
        "_unacknowledged",
        "_window",
        "traffic",
    )

    def __init__(self, limits: SessionLimits | None = None) -> None:
        self._limits = limits or SessionLimits()
        self._mode = Mode.ATTACHING
        self._intake: Intake[T] = Intake(capacity=self._limits.window_messages)
        self._window = self._new_window(0)
        self._timer: AckTimer[T] = AckTimer(self._limits.ack_timeout_seconds)
        self._gap = Gap(
            first_seconds=self._limits.hole_first_seconds,
            retry_seconds=self._limits.hole_retry_seconds,
        )
        self._again: list[Numbered[T]] = []  # redeliveries; lower than what is ready
        self._unacknowledged: SeqRange | None = None
        self._head = 0
        self._satisfied = 0
        self.traffic = Traffic()
        """What it has carried. To be read, not changed."""

    # --- what the driver may look at -------------------------------------------------

    @property
    def mode(self) -> Mode:
        """See the module."""
        return self._mode

    @property
    def cursor(self) -> int:
        """The device has everything up to here."""
        return self._window.cursor

    @property
    def written(self) -> int:
        """The last seq that has been handed out for this stream; an ack may reach it."""
        return self._window.written

    @property
    def head(self) -> int:
        """The highest seq that is known to exist."""
        return self._head

    @property
    def next_seq(self) -> int:
        """What is missing next: everything below is ready, in flight, or acknowledged."""
        return self._intake.next_seq

    @property
    def in_flight(self) -> int:
        """Messages that were written and not acknowledged."""
        return self._window.in_flight

    @property
    def wants_write(self) -> bool:
        """Whether `take_ready` has something to do."""
        if self._again:
            return True
        first = self._intake.peek()
        return first is not None and self._window.has_room(first.size)

    def statistics(self) -> SessionStatistics:
        """The figures at this moment."""
        return SessionStatistics(
            mode=self._mode,
            head=self._head,
            next_seq=self._intake.next_seq,
            ready=self._intake.ready,
            held=self._intake.held,
            waiting_bytes=self._intake.size_bytes,
            window=self._window.statistics(),
        )

    # --- inputs ----------------------------------------------------------------------

    def attach(self, cursor: int, head: int, page: Iterable[Numbered[T]], now: float) -> None:
        """The device stands at `cursor`; `page` is the beginning of what comes after it."""
        if self._mode is not Mode.ATTACHING:
            raise ValueError("a session attaches once")
        self._window = self._new_window(cursor)
        self._mode = Mode.CATCHING_UP
        self._timer.progressed(now)
        self._head = max(self._head, cursor, head)
        self._intake.advance(cursor + 1)
        self._take_page(page)
        self._window.pass_to(self._intake.passed)
        self._settle(now)

    def offer(self, seq: int, size: int, item: T, now: float) -> None:
        """A push: this entry exists. It is let through, held, dropped or only remembered."""
        self._head = max(self._head, seq)
        if self._mode is not Mode.LAGGING and not self._intake.knows(seq):
            fits = self._has_space(size) and self._intake.put(Numbered(seq, size, item))
            if not fits and self._mode is Mode.LIVE:
                self._lag()
        self._settle(now)

    def satisfied(self, seq: int, now: float) -> None:
        """The device has got this seq as the answer to its own send: nothing to deliver."""
        self._head = max(self._head, seq)
        self._satisfied = max(self._satisfied, seq)
        if self._mode is not Mode.LAGGING or seq == self._intake.next_seq:
            self._intake.skip(seq)
            if self._mode is not Mode.ATTACHING:
                self._window.pass_to(self._intake.passed)
        self._settle(now)

    def pulled(self, page: Iterable[Numbered[T]], head: int, now: float) -> None:
        """The answer to the outstanding pull; empty when its first seq is not there."""
        entries = list(page)
        self._head = max(self._head, head, entries[-1].seq if entries else 0)
        self._take_page(entries)
        self._gap.answered(now, front=self._intake.next_seq, empty=not entries)
        self._settle(now)

    def pull_failed(self, now: float) -> None:
        """The outstanding pull was refused, or its answer is lost."""
        self._gap.failed(now)

    def head_news(self, head: int, now: float, *, is_pushed: bool = False) -> None:
        """The timeline reaches at least `head`. `is_pushed`: what is new is probably on its way,
        and asked for only when it has not come a little later."""
        if head > self._head:
            self._head = head
            if is_pushed:
                self._gap.be_patient(now + self._limits.news_seconds)
            self._settle(now)

    def acknowledge(self, cursor: int, now: float) -> bool:
        """The device has everything up to `cursor`; return whether that is news.

        Raises AckAheadError when so much was never sent on this stream.
        """
        if cursor <= self._satisfied:
            # It was never written, or forgotten while lagging, because the device has it as the
            # answer to its own send: so it may acknowledge it.
            self._window.pass_to(cursor)
        before = self._window.cursor
        if not self._window.acknowledge(cursor):
            return False
        self.traffic.acknowledged += cursor - before
        self._timer.progressed(now)
        if cursor > self._intake.passed:  # after a rewind: it had all along what comes again
            self._intake.advance(cursor + 1)
            self._settle(now)
        return True

    def rewind(self, from_seq: int, now: float) -> None:
        """The device misses something: deliver again from `from_seq` on.

        Raises SeqAheadError beyond head + 1 and ValueError below 1.
        """
        if from_seq < 1:
            raise ValueError("numbers begin at 1")
        if from_seq > self._head + 1:
            raise SeqAheadError(from_seq, self._head)
        if self._mode is Mode.ATTACHING or from_seq > self._intake.passed:
            return  # it was not written yet, so it will come by itself
        self._window.rewind(from_seq)
        self._intake.restart(from_seq)
        self._again.clear()
        self._mode = Mode.CATCHING_UP
        self._timer.progressed(now)
        self._settle(now)

    def tick(self, now: float) -> None:
        """Time has passed: redeliver what is overdue. Harmless before the deadline."""
        if self._mode is Mode.LAGGING:
            return
        expiry = self._timer.expire(self._window, now)
        if expiry.unacknowledged is not None:
            # A redelivery that nobody could take in all this time goes into a full pipe.
            self._again.clear()
            first = (self._unacknowledged or expiry.unacknowledged).first
            self._unacknowledged = SeqRange(first, expiry.unacknowledged.last)
        self._again.extend(expiry.redeliver)

    # --- outputs ---------------------------------------------------------------------

    def take_ready(self, now: float, max_bytes: int) -> list[T]:
        """What to write now, in order: redeliveries, then what the window has room for.

        At most `max_bytes`, but at least one entry when there is one.
        """
        taken: list[T] = []
        room = max_bytes
        window, intake = self._window, self._intake
        while self._again and (not taken or self._again[0].size <= max_bytes):
            entry = self._again.pop(0)
            if entry.seq > window.cursor:
                taken.append(entry.item)
                max_bytes -= entry.size
        traffic = self.traffic
        traffic.redelivered += len(taken)
        while (first := intake.peek()) is not None and window.has_room(first.size):
            if taken and first.size > max_bytes:
                break
            window.write(intake.pop(), now)
            taken.append(first.item)
            max_bytes -= first.size
        window.pass_to(intake.passed)
        traffic.delivered += len(taken)
        traffic.delivered_bytes += room - max_bytes
        return taken

    def next_pull(self, now: float) -> Pull | None:
        """A fetch to send now; it must be answered by `pulled` or `pull_failed`."""
        fetch_at = self._gap.fetch_at
        if fetch_at is None or now < fetch_at:
            return None
        limit = self._page_limit()
        if limit < 1:
            return None
        age_seconds = self._gap.take(now)
        return Pull(self._intake.next_seq, limit, int(age_seconds * 1000))

    def take_unacknowledged(self) -> SeqRange | None:
        """What was redelivered and still not acknowledged, each range once."""
        taken, self._unacknowledged = self._unacknowledged, None
        return taken

    def next_deadline(self) -> float | None:
        """When to call `tick` and `next_pull` if nothing happens before."""
        deadline = None if self._mode is Mode.LAGGING else self._timer.deadline(self._window)
        fetch_at = self._gap.fetch_at
        if fetch_at is None or (deadline is not None and deadline <= fetch_at):
            return deadline
        return fetch_at if self._page_limit() > 0 else deadline

    # --- inside ----------------------------------------------------------------------

    def _new_window(self, cursor: int) -> Window[T]:
        return Window(
            cursor,
            max_messages=self._limits.window_messages,
            max_bytes=self._limits.window_bytes,
        )

    def _has_space(self, size: int) -> bool:
        """Whether one more may wait: what waits and what is in flight is two windows at most."""
        intake, window, limits = self._intake, self._window, self._limits
        return intake.messages + window.in_flight < 2 * limits.window_messages and (
            intake.messages == 0
            or intake.size_bytes + window.in_flight_bytes + size <= 2 * limits.window_bytes
        )

    def _take_page(self, page: Iterable[Numbered[T]]) -> None:
        for entry in page:
            if self._intake.knows(entry.seq):
                continue
            if entry.seq > self._intake.next_seq:
                return  # the answer to a question of before a rewind
            if not self._has_space(entry.size):
                # What is held gives way: it is asked for again, the front is not.
                self._intake.drop_held()
                if not self._has_space(entry.size):
                    if self._mode is Mode.LIVE:
                        self._lag()
                    return
            self._intake.put(entry)

    def _lag(self) -> None:
        self._mode = Mode.LAGGING
        self._intake.drop_held()

    def _settle(self, now: float) -> None:
        """Draw the consequences: is something missing, and is the session live?"""
        if self._mode is Mode.ATTACHING:
            return
        if self._intake.next_seq <= self._head:
            self._gap.watch(self._intake.next_seq, now, live=self._mode is Mode.LIVE)
            return
        self._gap.close()
        if self._mode is not Mode.LIVE:
            self._mode = Mode.LIVE
            self._timer.progressed(now)

    def _page_limit(self) -> int:
        """How many entries to fetch at once; 0 while the reader has no room for a page."""
        limits = self._limits
        if self._mode is Mode.LIVE:
            hole = self._intake.hole
            last = hole.last if hole else self._head
            wanted = min(last - self._intake.next_seq + 1, limits.window_messages)
            return wanted if self._has_space(0) else 0
        # A page ahead of the reader: it is read while the one before is on its way. Not of large
        # bodies, of which half a page would find no room and be read twice.
        is_heavy = self._window.in_flight_bytes * 2 > limits.window_bytes
        return 0 if self._intake.ready or is_heavy else limits.window_messages
