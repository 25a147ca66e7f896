"""A session goes at the pace of its reader: a window at most, again once what is not acknowledged,
and the timeline instead of pushes where the reader is behind."""

from __future__ import annotations

from tests.unit.core.session_world import ALL, LIMITS, live, page, push
from whimbrel.core.ack_timer import SeqRange
from whimbrel.core.session import ServerSession
from whimbrel.core.session_types import Mode, Pull
from whimbrel.core.window import Numbered


def test_the_window_bounds_what_is_sent_and_an_ack_sends_more() -> None:
    session = live()
    push(session, range(1, 13))
    assert session.take_ready(0.0, ALL) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert not session.wants_write
    assert session.acknowledge(3, 0.0)
    assert session.wants_write
    assert session.take_ready(0.0, ALL) == [9, 10, 11]


def test_a_frame_has_at_most_the_bytes_asked_for() -> None:
    session = live()
    push(session, [1, 2, 3])
    assert session.take_ready(0.0, 20) == [1, 2]
    assert session.take_ready(0.0, 5) == [3], "one that is larger still goes"


def test_a_reader_a_full_window_behind_lags_and_its_pushes_are_not_kept() -> None:
    session = live()
    push(session, range(1, 9))
    session.take_ready(0.0, ALL)
    push(session, range(9, 500))
    assert session.mode is Mode.LAGGING
    stats = session.statistics()
    assert stats.ready + stats.held <= 8
    assert session.head == 499
    assert session.next_pull(0.0) is None, "the timeline is read at the reader's pace"


def test_lagging_goes_live_only_when_pulled_up_to_the_highest_offered() -> None:
    session = live()
    push(session, range(1, 19))
    got = session.take_ready(0.0, ALL)
    assert session.mode is Mode.LAGGING
    while session.mode is Mode.LAGGING:
        session.acknowledge(got[-1], 0.0)
        got += session.take_ready(0.0, ALL)
        pull = session.next_pull(0.0)
        if pull is not None:
            push(session, [19])  # while the fetch is out
            session.pulled(page(range(pull.from_seq, min(19, pull.from_seq + 3))), 18, 0.0)
            if session.statistics().next_seq == 19:
                assert session.mode is Mode.LAGGING, "19 was offered and is not here"
                follow_up = session.next_pull(0.0)
                session.acknowledge(got[-1], 0.0)
                got += session.take_ready(0.0, ALL)
                session.acknowledge(got[-1], 0.0)
                follow_up = follow_up or session.next_pull(0.0)
                assert follow_up is not None
                session.pulled(page([19]), 19, 0.0)
    got += session.take_ready(0.0, ALL)
    assert got == list(range(1, 20))
    push(session, [20])
    session.acknowledge(19, 0.0)
    assert session.take_ready(0.0, ALL) == [20]


def test_redelivery_comes_once_then_the_range_is_reported_once() -> None:
    session = live()
    push(session, [1, 2])
    assert session.take_ready(0.0, ALL) == [1, 2]
    assert session.next_deadline() == 10.0
    session.tick(9.9)
    assert not session.wants_write
    session.tick(10.0)
    assert session.take_ready(10.0, ALL) == [1, 2]
    assert session.take_unacknowledged() is None
    assert session.next_deadline() == 20.0
    session.tick(20.0)
    assert session.take_ready(20.0, ALL) == []
    assert session.take_unacknowledged() == SeqRange(1, 2)
    assert session.next_deadline() is None
    session.tick(30.0)
    assert session.take_unacknowledged() is None
    push(session, [3], now=30.0)
    assert session.take_ready(30.0, ALL) == [3]
    session.tick(40.0)
    assert session.take_ready(40.0, ALL) == [3]
    session.tick(50.0)
    assert session.take_unacknowledged() == SeqRange(3, 3)


def test_every_ack_starts_the_timer_again() -> None:
    session = live()
    push(session, [1, 2])
    session.take_ready(0.0, ALL)
    session.acknowledge(1, 9.0)
    assert session.next_deadline() == 19.0
    session.acknowledge(2, 12.0)
    assert session.next_deadline() is None


def test_what_is_acknowledged_meanwhile_is_not_redelivered() -> None:
    session = live()
    push(session, [1, 2])
    session.take_ready(0.0, ALL)
    session.tick(10.0)
    session.acknowledge(1, 10.1)
    assert session.take_ready(10.2, ALL) == [2]


def test_the_ack_timer_stands_still_while_lagging() -> None:
    session = live()
    push(session, range(1, 30))
    session.take_ready(0.0, ALL)
    assert session.mode is Mode.LAGGING
    session.tick(100.0)
    assert session.take_unacknowledged() is None
    assert session.next_deadline() is None


def test_a_long_backlog_is_no_hole_however_long_it_takes() -> None:
    session: ServerSession[int] = ServerSession(LIMITS)
    session.attach(0, 100, page(range(1, 9)), 0.0)
    assert session.take_ready(0.0, ALL) == list(range(1, 9))
    assert session.next_pull(50.0) == Pull(9, 8, 0)
    session.pulled(page(range(9, 17)), 100, 50.1)
    assert session.next_pull(55.0) is None, "a page ahead of the reader, and no more"
    session.acknowledge(8, 60.0)
    assert session.take_ready(60.0, ALL) == list(range(9, 17))
    assert session.next_pull(60.0) == Pull(17, 8, 0)


def test_what_is_held_gives_way_to_the_front() -> None:
    session: ServerSession[int] = ServerSession(LIMITS)
    for seq in range(100, 108):
        session.offer(seq, 240, seq, 0.0)
    session.attach(0, 107, page(range(1, 9)), 0.0)
    got = session.take_ready(0.0, ALL)
    timeline = 107
    for _ in range(100):
        session.acknowledge(got[-1], 0.0)
        got += session.take_ready(0.0, ALL)
        pull = session.next_pull(0.0)
        if pull:
            end = min(timeline + 1, pull.from_seq + pull.limit)
            session.pulled(
                [Numbered(seq, 240, seq) for seq in range(pull.from_seq, end)], timeline, 0.0
            )
    assert got == list(range(1, 108))
    assert session.mode is Mode.LIVE
