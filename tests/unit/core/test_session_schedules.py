"""ServerSession under any schedule: order, bounds and completeness, against a plain timeline."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from whimbrel.core.session import ServerSession
from whimbrel.core.session_types import Mode, Pull, SessionLimits
from whimbrel.core.window import Numbered

LIMITS = SessionLimits(window_messages=6, window_bytes=120)


def size_of(seq: int) -> int:
    return 5 + seq * 7 % 40


class Delivery(RuleBasedStateMachine):
    """The timeline is 1..head; pushes are reordered, lost and repeated; fetches fail."""

    def __init__(self) -> None:
        super().__init__()
        self.session: ServerSession[int] = ServerSession(LIMITS)
        self.now = 0.0
        self.head = 0
        self.unwritten: set[int] = set()  # holes in the timeline
        self.underway: list[int] = []  # pushes
        self.pull: Pull | None = None
        self.reader = 0  # the client has everything up to here
        self.early: set[int] = set()
        self.newest = 0

    def page(self, from_seq: int, limit: int) -> list[Numbered[int]]:
        entries = []
        for seq in range(from_seq, min(self.head, from_seq + limit - 1) + 1):
            if seq in self.unwritten:
                break
            entries.append(Numbered(seq, size_of(seq), seq))
        return entries

    @rule(lost=st.booleans(), hole=st.booleans())
    def commit(self, lost: bool, hole: bool) -> None:
        self.head += 1
        if hole:
            self.unwritten.add(self.head)
        elif not lost:
            self.underway.append(self.head)

    @precondition(lambda self: self.unwritten)
    @rule(data=st.data(), lost=st.booleans())
    def fill(self, data: st.DataObject, lost: bool) -> None:
        seq = data.draw(st.sampled_from(sorted(self.unwritten)))
        self.unwritten.remove(seq)
        if not lost:
            self.underway.append(seq)

    @precondition(lambda self: self.underway)
    @rule(data=st.data(), again=st.booleans())
    def push(self, data: st.DataObject, again: bool) -> None:
        seq = data.draw(st.sampled_from(self.underway))
        if not again:
            self.underway.remove(seq)
        self.session.offer(seq, size_of(seq), seq, self.now)

    @precondition(lambda self: self.session.mode is Mode.ATTACHING)
    @rule()
    def attach(self) -> None:
        head = max((e.seq for e in self.page(1, self.head)), default=0)
        self.session.attach(0, head, self.page(1, 6), self.now)

    @rule(budget=st.integers(1, 200))
    def write(self, budget: int) -> None:
        before = self.session.written
        taken = self.session.take_ready(self.now, budget)
        assert taken == sorted(taken)
        for seq in taken:
            assert seq not in self.unwritten
            assert seq <= self.reader + 1 or seq in self.early or seq - 1 in self.early
            self.early.add(seq)
        while self.reader + 1 in self.early:
            self.reader += 1
            self.early.remove(self.reader)
        assert self.session.written >= before

    @rule()
    def acknowledge(self) -> None:
        self.session.acknowledge(self.reader, self.now)

    @precondition(lambda self: self.session.mode is not Mode.ATTACHING)
    @rule(data=st.data())
    def sync(self, data: st.DataObject) -> None:
        from_seq = data.draw(st.integers(1, self.reader + 1))
        if from_seq <= self.session.head + 1:
            self.session.rewind(from_seq, self.now)

    @precondition(lambda self: self.pull is None)
    @rule()
    def ask(self) -> None:
        self.pull = self.session.next_pull(self.now)

    @precondition(lambda self: self.pull is not None)
    @rule(fails=st.booleans())
    def answer(self, fails: bool) -> None:
        assert self.pull is not None
        if fails:
            self.session.pull_failed(self.now)
        else:
            entries = self.page(self.pull.from_seq, self.pull.limit)
            self.session.pulled(entries, entries[-1].seq if entries else 0, self.now)
        self.pull = None

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.3, 11.0]))
    def time(self, seconds: float) -> None:
        self.now += seconds
        self.session.tick(self.now)

    @invariant()
    def bounded(self) -> None:
        stats = self.session.statistics()
        window = stats.window
        assert window.in_flight_messages <= LIMITS.window_messages
        assert window.in_flight_bytes <= LIMITS.window_bytes
        assert stats.ready + stats.held + window.in_flight_messages <= 3 * LIMITS.window_messages
        assert stats.waiting_bytes <= 2 * LIMITS.window_bytes

    def teardown(self) -> None:
        """Without further faults everything arrives."""
        self.unwritten.clear()
        self.underway.clear()
        if self.session.mode is Mode.ATTACHING:
            self.attach()
        if self.pull is not None:
            self.answer(fails=True)
        self.session.head_news(self.head, self.now)
        for _ in range(400 + 10 * self.head):
            if self.reader == self.head and self.session.mode is Mode.LIVE:
                break
            self.write(10_000)
            self.acknowledge()
            self.ask()
            if self.pull is not None:
                self.answer(fails=False)
            deadline = self.session.next_deadline()
            if deadline is not None:
                self.now = max(self.now, deadline)
                self.session.tick(self.now)
        assert self.reader == self.head
        assert self.session.mode is Mode.LIVE


TestSchedules = Delivery.TestCase
TestSchedules.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
