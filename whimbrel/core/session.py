"""One device's delivery machine on the server: order, window, acks, holes, modes.

    push ──offer──▶ intake ──take_ready──▶ the stream ──▶ window ──acknowledge──▶ gone
    pull ──pulled─▶   │ missing                             │ overdue
                      └─▶ gap ──next_pull──▶ a fetch        └─▶ ack timer ──tick──▶ once more

Where entries come from is its Mode; how much it may hold is worked out in `session_room`. Pure:
`now` is monotonic seconds, items are opaque. The driver calls an input, then asks for the outputs:
`take_ready` while `wants_write`, `next_pull`, `tick` at `next_deadline`, `take_unacknowledged`.
What is illegal raises and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from whimbrel.core import session_room
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
        "_gap",
        "_intake",
        "_limits",
        "_satisfied",
        "_timer",
        "_window",
        "head",
        "mode",
        "traffic",
    )

    def __init__(self, limits: SessionLimits | None = None) -> None:
        self._limits = limits or SessionLimits()
        self.mode = Mode.ATTACHING
        self.head = 0
        """The highest seq that is known to exist. To be read, not changed, as its neighbours."""
        self.traffic = Traffic()
        self._intake: Intake[T] = Intake(capacity=self._limits.window_messages)
        self._window: Window[T] = session_room.new_window(self._limits, 0)
        self._timer: AckTimer[T] = AckTimer(self._limits.ack_timeout_seconds)
        self._gap = Gap(self._limits.hole_first_seconds, self._limits.hole_retry_seconds)
        self._satisfied = 0

    # --- what the driver may look at -------------------------------------------------

    @property
    def cursor(self) -> int:
        """The device has everything up to here."""
        return self._window.cursor

    @property
    def written(self) -> int:
        """The last seq that has been handed out for this stream; an ack may reach it."""
        return self._window.written

    @property
    def in_flight(self) -> int:
        """Messages that were written and not acknowledged."""
        return self._window.in_flight

    @property
    def wants_write(self) -> bool:
        """Whether `take_ready` has something to do."""
        first = self._intake.peek()
        return bool(self._timer.again) or (first is not None and self._window.has_room(first.size))

    def statistics(self) -> SessionStatistics:
        """The figures at this moment."""
        return session_room.statistics(self.mode, self.head, self._intake, self._window)

    # --- inputs ----------------------------------------------------------------------

    def attach(self, cursor: int, head: int, page: Iterable[Numbered[T]], now: float) -> None:
        """The device stands at `cursor`; `page` is the beginning of what comes after it."""
        if self.mode is not Mode.ATTACHING:
            raise ValueError("a session attaches once")
        self._window = session_room.new_window(self._limits, cursor)
        self.mode = Mode.CATCHING_UP
        self._timer.progressed(now)
        self.head = max(self.head, cursor, head)
        self._intake.advance(cursor + 1)
        self._take_page(page)
        self._window.pass_to(self._intake.passed)
        self._settle(now)

    def offer(self, seq: int, size: int, item: T, now: float) -> None:
        """A push: this entry exists. It is let through, held, dropped or only remembered."""
        self.head = max(self.head, seq)
        if self.mode is not Mode.LAGGING and not self._intake.knows(seq):
            has_space = session_room.has_space(self._intake, self._window, self._limits, size)
            if not (has_space and self._intake.put(Numbered(seq, size, item))):
                self._overflow()
        self._settle(now)

    def satisfied(self, seq: int, now: float) -> None:
        """The device has got this seq as the answer to its own send: nothing to deliver."""
        self.head = max(self.head, seq)
        self._satisfied = max(self._satisfied, seq)
        if self.mode is not Mode.LAGGING or seq == self._intake.next_seq:
            self._intake.skip(seq)
            if self.mode is not Mode.ATTACHING:
                self._window.pass_to(self._intake.passed)
        self._settle(now)

    def pulled(self, page: Iterable[Numbered[T]], head: int, now: float) -> None:
        """The answer to the outstanding pull; empty when its first seq is not there."""
        entries = list(page)
        self.head = max(self.head, head, entries[-1].seq if entries else 0)
        self._take_page(entries)
        self._gap.answered(now, front=self._intake.next_seq, empty=not entries)
        self._settle(now)

    def pull_failed(self, now: float) -> None:
        """The outstanding pull was refused, or its answer is lost."""
        self._gap.failed(now)

    def head_news(self, head: int, now: float, *, is_pushed: bool = False) -> None:
        """The timeline reaches at least `head`. `is_pushed`: what is new is probably on its way,
        and asked for only when it has not come a little later."""
        if head > self.head:
            self.head = head
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
        if from_seq > self.head + 1:
            raise SeqAheadError(from_seq, self.head)
        if self.mode is Mode.ATTACHING or from_seq > self._intake.passed:
            return  # it was not written yet, so it will come by itself
        self._window.rewind(from_seq)
        self._intake.restart(from_seq)
        self._timer.again.clear()
        self.mode = Mode.CATCHING_UP
        self._timer.progressed(now)
        self._settle(now)

    def tick(self, now: float) -> None:
        """Time has passed: redeliver what is overdue. Harmless before the deadline."""
        if self.mode is not Mode.LAGGING:
            self._timer.expire(self._window, now)

    # --- outputs ---------------------------------------------------------------------

    def take_ready(self, now: float, max_bytes: int) -> list[T]:
        """What to write now, in order: redeliveries, then what the window has room for.

        At most `max_bytes`, but at least one entry when there is one.
        """
        return session_room.take_ready(
            self._intake, self._window, self._timer, self.traffic, now, max_bytes
        )

    def next_pull(self, now: float) -> Pull | None:
        """A fetch to send now; it must be answered by `pulled` or `pull_failed`."""
        fetch_at = self._gap.fetch_at
        if fetch_at is None or now < fetch_at:
            return None
        if (limit := self._page_limit()) < 1:
            return None
        return Pull(self._intake.next_seq, limit, int(self._gap.take(now) * 1000))

    def take_unacknowledged(self) -> SeqRange | None:
        """What was redelivered and still not acknowledged, each range once."""
        return self._timer.take_unacknowledged()

    def next_deadline(self) -> float | None:
        """When to call `tick` and `next_pull` if nothing happens before."""
        deadline = None if self.mode is Mode.LAGGING else self._timer.deadline(self._window)
        fetch_at = self._gap.fetch_at
        if fetch_at is None or (deadline is not None and deadline <= fetch_at):
            return deadline
        return fetch_at if self._page_limit() > 0 else deadline

    # --- inside ----------------------------------------------------------------------

    def _take_page(self, page: Iterable[Numbered[T]]) -> None:
        if not session_room.take_page(self._intake, self._window, self._limits, page):
            self._overflow()

    def _overflow(self) -> None:
        """There was no room: a live session is lagging from here on."""
        if self.mode is Mode.LIVE:
            self.mode = Mode.LAGGING
            self._intake.drop_held()

    def _settle(self, now: float) -> None:
        """Draw the consequences: is something missing, and is the session live?"""
        if self.mode is Mode.ATTACHING:
            return
        if self._intake.next_seq <= self.head:
            self._gap.watch(self._intake.next_seq, now, live=self.mode is Mode.LIVE)
            return
        self._gap.close()
        if self.mode is not Mode.LIVE:
            self.mode = Mode.LIVE
            self._timer.progressed(now)

    def _page_limit(self) -> int:
        return session_room.page_limit(
            self.mode, self._intake, self._window, self._limits, self.head
        )
