"""A machine that plays a device and its sessions: moves, resumes, breaks, holes, slow readers.

The device's end is core/inbox.py, the pods' ends are core/session.py, one on each stream; the
stored cursor is what a pod was told to keep. What the application gets is the whole timeline, in
order, each seq once, and no cursor ever falls.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from tests.unit.core.moving_timeline import Message, Timeline, size_of
from whimbrel.core.inbox import Inbox
from whimbrel.core.session import ServerSession
from whimbrel.core.session_types import Mode, Pull, SessionLimits

LIMITS = SessionLimits(window_messages=6, window_bytes=120)
LONGEST_REST = 2000


class Stream:
    """A session, what was pushed and has not come, and the fetch that is out."""

    def __init__(self) -> None:
        self.session: ServerSession[int] = ServerSession(LIMITS)
        self.underway: list[int] = []
        self.pull: Pull | None = None
        self.is_deaf = False
        """Its route points elsewhere: no push comes."""


class Device(RuleBasedStateMachine):
    """One device; `streams` has the present one last, and before it one that it moves away from."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.timeline = Timeline()
        self.inbox: Inbox[Message] = Inbox(cursor=0)
        self.streams: list[Stream] = []
        self.stored = 0
        self.seen = 0
        self.handled = -1  # nothing is known before the first Welcome

    def push(self, seq: int) -> None:
        for stream in self.streams:
            if not stream.is_deaf:
                stream.underway.append(seq)

    @rule(lost=st.booleans(), hole=st.booleans())
    def commit(self, lost: bool, hole: bool) -> None:
        self.timeline.head += 1
        if hole:
            self.timeline.unwritten.add(self.timeline.head)
        elif not lost:
            self.push(self.timeline.head)

    @precondition(lambda self: self.timeline.unwritten)
    @rule(data=st.data())
    def fill(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(sorted(self.timeline.unwritten)))
        self.timeline.unwritten.remove(seq)
        self.push(seq)

    def open(self, *, overlap: bool) -> None:
        """As the handshake does: at the effective cursor, with the first page."""
        stream = Stream()
        cursor = self.stored = max(self.stored, self.inbox.cursor or 0)  # it is stored at once
        page = self.timeline.page(cursor + 1, LIMITS.window_messages)
        stream.session.attach(cursor, max(self.timeline.readable, cursor), page, self.now)
        self.inbox.attached(
            cursor + 1,
            stream.session.head,
            LIMITS.window_messages,
            LIMITS.window_bytes,
            self.now,
            overlap=overlap,
        )
        self.streams.append(stream)

    @precondition(lambda self: not self.streams)
    @rule()
    def connect(self) -> None:
        self.open(overlap=False)

    @precondition(lambda self: len(self.streams) == 1)
    @rule()
    def migrate(self) -> None:
        self.open(overlap=True)

    @precondition(lambda self: len(self.streams) == 2)
    @rule()
    def fin(self) -> None:
        del self.streams[0]
        self.inbox.alone()

    @precondition(lambda self: self.streams)
    @rule()
    def move_in_vain(self) -> None:
        """The route was swapped to a pod that never said Welcome."""
        self.streams[-1].is_deaf = True

    @precondition(lambda self: any(stream.is_deaf for stream in self.streams))
    @rule()
    def resume(self) -> None:
        for stream in self.streams:
            stream.is_deaf = False
            stream.session.head_news(self.timeline.head, self.now)

    @precondition(lambda self: self.streams)
    @rule()
    def cut(self) -> None:
        self.streams.clear()
        self.inbox.detached()

    @precondition(lambda self: any(stream.underway for stream in self.streams))
    @rule(data=st.data(), again=st.booleans())
    def arrive(self, data: st.DataObject, again: bool) -> None:
        stream = data.draw(st.sampled_from([one for one in self.streams if one.underway]))
        seq = data.draw(st.sampled_from(stream.underway))
        if not again:
            stream.underway.remove(seq)
        stream.session.offer(seq, size_of(seq), seq, self.now)

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), budget=st.integers(1, 200))
    def write(self, data: st.DataObject, budget: int) -> None:
        self.write_on(data.draw(st.sampled_from(self.streams)), budget)

    def write_on(self, stream: Stream, budget: int) -> None:
        for seq in stream.session.take_ready(self.now, budget):
            assert seq not in self.timeline.unwritten
            message = Message(1000 + seq, "g:1")
            is_aside = stream is not self.streams[-1]
            self.inbox.deliver(
                seq,
                message,
                hint=False,
                size=size_of(seq),
                now=self.now,
                aside=is_aside,
            )

    @precondition(lambda self: len(self.streams) == 2)
    @rule()
    def the_old_one_is_faster(self) -> None:
        """What only came aside is for the application, and not yet to be acknowledged."""
        self.commit(lost=False, hole=False)
        old = self.streams[0]
        for seq in old.underway:
            old.session.offer(seq, size_of(seq), seq, self.now)
        old.underway.clear()
        self.write_on(old, 10_000)
        for _ in range(LIMITS.window_messages):
            self.application()
        self.acknowledge(flush=True)

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), fails=st.booleans())
    def fetch(self, data: st.DataObject, fails: bool) -> None:
        self.fetch_on(data.draw(st.sampled_from(self.streams)), fails=fails)

    def fetch_on(self, stream: Stream, *, fails: bool) -> None:
        """Answer the fetch that is out, or send the next one."""
        if stream.pull is None:
            stream.pull = stream.session.next_pull(self.now)
            return
        pull, stream.pull = stream.pull, None
        if fails:
            stream.session.pull_failed(self.now)
            return
        entries = self.timeline.page(pull.from_seq, pull.limit)
        stream.session.pulled(entries, entries[-1].seq if entries else 0, self.now)

    @rule()
    def application(self) -> None:
        received = self.inbox.take(self.now)
        if received is not None:
            assert received.seq == self.seen + 1
            assert not received.is_late
            self.seen = received.seq

    @rule(flush=st.booleans())
    def acknowledge(self, flush: bool) -> None:
        cursor = self.inbox.ack_due(self.now, flush=flush)
        if cursor is None:
            return
        if self.streams[-1].session.acknowledge(cursor, self.now):
            self.stored = max(self.stored, cursor)
            self.inbox.confirm(cursor)

    @precondition(lambda self: self.streams)
    @rule()
    def sync(self) -> None:
        from_seq = self.inbox.sync_due(self.now)
        if from_seq is not None and from_seq <= self.streams[-1].session.head + 1:
            self.streams[-1].session.rewind(from_seq, self.now)

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.3, 2.0, 11.0]))
    def time(self, seconds: float) -> None:
        self.now += seconds
        for stream in self.streams:
            stream.session.tick(self.now)

    @invariant()
    def no_cursor_falls(self) -> None:
        assert self.inbox.handled >= self.handled
        assert self.stored <= max(0, self.inbox.handled) <= self.seen
        self.handled = self.inbox.handled

    @invariant()
    def bounded(self) -> None:
        for stream in self.streams:
            stats = stream.session.statistics()
            assert stats.window.in_flight_messages <= LIMITS.window_messages
            assert stats.window.in_flight_bytes <= LIMITS.window_bytes
            assert stats.waiting_bytes <= 2 * LIMITS.window_bytes
            assert stream.session.cursor <= stream.session.written
        assert self.inbox.statistics().waiting <= 4 * LIMITS.window_messages

    def teardown(self) -> None:
        """Without further faults everything arrives, and no deadline stays in the past."""
        self.timeline.unwritten.clear()
        if len(self.streams) == 2:
            self.fin()
        if not self.streams:
            self.connect()
        self.resume()
        (stream,) = self.streams
        for _ in range(LONGEST_REST):
            if self.stored == self.seen == self.timeline.head and stream.session.mode is Mode.LIVE:
                break
            self.write_on(stream, 10_000)
            self.application()
            self.acknowledge(flush=True)
            self.fetch_on(stream, fails=False)
            self.sync()
            moments = (stream.session.next_deadline(), self.inbox.next_deadline())
            self.now = max([self.now + 0.001, *(at for at in moments if at is not None)])
            stream.session.tick(self.now)
        assert self.stored == self.seen == self.timeline.head
        assert stream.session.mode is Mode.LIVE
        deadline = stream.session.next_deadline()
        assert deadline is None or deadline >= self.now
