"""Acks of an inbox are true and few: never beyond what is finished and came on this stream, in
company where that is not long in coming."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.inbox_world import WINDOW, deliver, inbox, take_all


@given(st.data())
def test_an_ack_is_never_beyond_what_is_finished_and_came_on_this_stream(
    data: st.DataObject,
) -> None:
    box, now, came, finished, acked = inbox(), 0.0, 0, 0, 0
    seen = 0
    for _ in range(60):
        now += data.draw(st.floats(0, 0.1))
        action = data.draw(st.sampled_from(("deliver", "take", "ack", "reconnect")))
        if action == "deliver" and came < acked + 8:
            came += 1
            deliver(box, came, now)
        elif action == "take":
            finished = seen
            received = box.take(now)
            if received is not None:
                assert received.seq == seen + 1
                seen = received.seq
        elif action == "ack":
            leaves, is_open = data.draw(st.booleans()), box.awaits_confirmation
            cursor = box.ack_due(now, flush=leaves)
            if cursor is not None:
                assert cursor <= min(came, finished)
                assert acked < cursor or (acked == cursor and leaves and is_open)
                acked = cursor
        elif action == "reconnect":
            box.detached()
            assert box.ack_due(now, flush=True) is None
            cursor = box.cursor
            assert cursor == finished
            came = acked = cursor
            box.attached(cursor + 1, cursor, 8, WINDOW, now)


def test_an_ack_waits_for_company_but_not_for_long() -> None:
    box = inbox()
    deliver(box, 1)
    assert box.take(0.0) is not None
    assert box.next_deadline() is None, "in hand is not handled"
    box.finish(1.0)
    assert box.ack_due(1.99) is None
    assert box.next_deadline() == pytest.approx(2.0)
    assert box.ack_due(2.0) == 1
    assert box.ack_due(9.0) is None
    assert box.awaits_confirmation
    box.confirm(1)
    assert not box.awaits_confirmation


def test_the_ack_of_own_messages_waits_for_that_of_others() -> None:
    box = inbox()
    box.accepted(1, "g:1", 1, 0.0)
    assert box.next_deadline() == pytest.approx(5.0)
    assert box.ack_due(4.9) is None
    deliver(box, 2, 4.9)
    box.take(4.9)
    box.finish(4.9)
    assert box.ack_due(4.9) == 2, "it has waited long enough for company"
    box.accepted(3, "g:1", 3, 6.0)
    assert box.ack_due(10.9) is None
    assert box.ack_due(11.0) == 3


def test_who_leaves_asks_once_for_a_confirmation_that_has_not_come() -> None:
    box = inbox()
    deliver(box, 1)
    box.take(0.0)
    box.finish(0.0)
    assert box.ack_due(1.0) == 1
    assert box.ack_due(1.1, flush=True) == 1
    assert box.ack_due(1.1, flush=True) is None
    box.confirm(1)
    assert box.ack_due(1.2, flush=True) is None


def test_half_a_window_is_acknowledged_at_once() -> None:
    box = inbox(window=8)
    for seq in range(1, 6):
        deliver(box, seq)
        box.take(0.0)
    assert box.handled == 4
    assert box.ack_due(0.0) == 4


def test_half_a_window_of_bytes_is_acknowledged_at_once() -> None:
    box = inbox()
    deliver(box, 1, size=WINDOW // 2)
    box.take(0.0)
    box.finish(0.0)
    assert box.ack_due(0.0) == 1


def test_what_comes_again_after_an_ack_is_acknowledged_again() -> None:
    box = inbox()
    deliver(box, 1)
    take_all(box)
    assert box.ack_due(1.0) == 1
    deliver(box, 1, 11.0)
    assert box.ack_due(12.0) == 1
    assert box.ack_due(99.0) is None


def test_a_reconnect_repeats_nothing_and_acknowledges_only_what_came_again() -> None:
    box = inbox()
    for seq in (1, 2, 3):
        deliver(box, seq)
    assert box.take(0.0) is not None
    box.detached()
    assert box.cursor == 0
    assert take_all(box) == [2, 3], "the application goes on meanwhile"
    box.attached(1, 3, 8, WINDOW, 5.0)
    assert box.ack_due(9.0, flush=True) is None, "nothing came on this stream yet"
    deliver(box, 1, 9.0)
    deliver(box, 2, 9.0)
    assert box.ack_due(10.0) == 2
    deliver(box, 3, 10.1)
    assert box.ack_due(11.1) == 3
    assert take_all(box) == []
    assert box.statistics().repeats == 3
