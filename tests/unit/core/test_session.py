"""A session gives out its timeline in order and once: it fetches what is missing, and goes back
where the device asks for it."""

from __future__ import annotations

import pytest

from tests.unit.core.session_world import ALL, LIMITS, live, page, push
from whimbrel.core.session import ServerSession
from whimbrel.core.session_types import Mode, Pull, SeqAheadError
from whimbrel.core.window import AckAheadError


def test_pushes_are_delivered_in_order_and_once() -> None:
    session = live()
    push(session, [2, 1, 1, 3, 2])
    assert session.take_ready(0.0, ALL) == [1, 2, 3]
    assert not session.wants_write
    assert session.take_ready(0.0, ALL) == []


def test_a_push_between_route_and_backlog_is_neither_lost_nor_repeated() -> None:
    session: ServerSession[int] = ServerSession(LIMITS)
    push(session, [6, 4, 5])  # 4 is in the backlog too
    assert session.take_ready(0.0, ALL) == []
    session.attach(2, 5, page([3, 4, 5]), 0.0)
    assert session.mode is Mode.LIVE
    assert session.take_ready(0.0, ALL) == [3, 4, 5, 6]


def test_an_own_message_is_not_delivered_to_the_device_that_sent_it() -> None:
    session = live(10)
    session.satisfied(11, 0.0)
    push(session, [11, 12])
    assert session.take_ready(0.0, ALL) == [12]
    assert session.acknowledge(12, 0.0)


def test_an_own_message_may_be_acknowledged_though_it_was_never_written() -> None:
    """The device holds it as the answer to its send, also where the session has forgotten that
    (lagging, rewound); beyond it nothing may be acknowledged that was not written."""
    session = live()
    session.satisfied(2, 0.0)
    with pytest.raises(AckAheadError):
        session.acknowledge(3, 0.0)
    push(session, [1])
    assert session.take_ready(0.0, ALL) == [1]
    assert session.acknowledge(2, 0.0)


def test_a_hole_is_fetched_after_50_ms_then_every_250_ms_with_its_age() -> None:
    session = live(4)
    push(session, [7], now=1.0)
    assert session.next_pull(1.0) is None
    assert session.next_deadline() == pytest.approx(1.05)
    assert session.next_pull(1.06) == Pull(5, 2, 60)
    assert session.next_pull(9.0) is None, "at most one outstanding"
    session.pulled([], 7, 1.07)
    assert session.next_pull(1.3) is None
    assert session.next_pull(1.33) == Pull(5, 2, 330)
    session.pull_failed(1.34)
    assert session.next_pull(3.2) == Pull(5, 2, 2200)
    session.pulled(page([5, 6]), 7, 3.21)
    assert session.take_ready(3.21, ALL) == [5, 6, 7]
    assert session.next_pull(99.0) is None


def test_a_hole_that_fills_itself_is_not_fetched() -> None:
    session = live()
    push(session, [2], now=1.0)
    push(session, [1], now=1.01)
    assert session.next_pull(2.0) is None


def test_sync_delivers_again_from_where_it_says() -> None:
    session = live()
    push(session, range(1, 6))
    session.take_ready(0.0, ALL)
    session.rewind(3, 1.0)
    push(session, [6], now=1.0)
    assert session.next_pull(1.0) == Pull(3, 8, 0)
    session.pulled(page([3, 4, 5]), 5, 1.1)
    assert session.take_ready(1.1, ALL) == [3, 4, 5, 6]
    assert session.mode is Mode.LIVE


def test_sync_below_the_cursor_is_served_beyond_the_window() -> None:
    session = live(100)
    session.rewind(1, 0.0)
    got: list[int] = []
    while (pull := session.next_pull(0.0)) is not None:
        seqs = range(pull.from_seq, min(101, pull.from_seq + pull.limit))
        session.pulled(page(seqs), 100, 0.0)
        got += session.take_ready(0.0, ALL)
    assert got == list(range(1, 101))
    assert session.statistics().window.in_flight_messages == 0


def test_an_ack_that_crosses_a_sync_ends_the_repeat() -> None:
    session = live()
    push(session, range(1, 6))
    session.take_ready(0.0, ALL)
    session.rewind(2, 0.0)
    assert session.next_pull(0.0) == Pull(2, 8, 0)
    assert session.acknowledge(5, 0.0)
    session.pulled(page([2, 3, 4, 5]), 5, 0.1)
    assert session.take_ready(0.1, ALL) == []
    assert session.mode is Mode.LIVE


def test_sync_beyond_the_head_is_refused_and_changes_nothing() -> None:
    session = live(5)
    before = session.statistics()
    with pytest.raises(SeqAheadError):
        session.rewind(7, 0.0)
    with pytest.raises(ValueError, match="begin at 1"):
        session.rewind(0, 0.0)
    session.rewind(6, 0.0)
    assert session.statistics() == before


def test_head_news_is_pulled() -> None:
    session = live(5)
    session.head_news(7, 1.0)
    assert session.next_pull(1.05) == Pull(6, 2, 50)
    session.pulled(page([6, 7]), 7, 1.1)
    assert session.take_ready(1.1, ALL) == [6, 7]


def test_news_of_what_is_on_its_way_is_asked_for_only_when_it_does_not_come() -> None:
    session = live()
    session.head_news(2, 1.0, is_pushed=True)
    assert session.next_pull(1.4) is None
    push(session, [1], 1.45)
    assert session.next_pull(1.49) is None, "of the second one the same was said"
    push(session, [2], 1.49)
    assert session.next_pull(9.0) is None
    session.head_news(3, 10.0, is_pushed=True)
    assert session.next_deadline() == 10.5
    assert session.next_pull(10.5) == Pull(3, 1, 500)


def test_a_session_attaches_once() -> None:
    session = live()
    with pytest.raises(ValueError, match="attaches once"):
        session.attach(0, 0, [], 0.0)
