"""What an inbox promises: order, once, across streams too, and holes that are asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.inbox_world import WINDOW, Message, deliver, inbox, take_all
from whimbrel.core.inbox import Inbox
from whimbrel.core.inbox_types import InboxLimits, RemoteProtocolError


@given(st.lists(st.integers(1, 30), max_size=120), st.sets(st.integers(1, 30)))
def test_whatever_comes_in_whatever_order_leaves_in_order_and_once(
    arrivals: list[int], voids: set[int]
) -> None:
    box, seen = inbox(window=100), []
    for seq in [*arrivals, *range(1, 31)]:
        if seq in voids:
            box.deliver(seq, None, hint=False, size=1, now=0.0)
        else:
            deliver(box, seq)
        received = box.take(0.0)
        if received is not None:
            seen.append(received.seq)
    seen += take_all(box)
    assert seen == [seq for seq in range(1, 31) if seq not in voids]
    assert box.handled == 30


def test_own_messages_and_voids_are_handled_when_all_before_them_is() -> None:
    box = inbox()
    box.accepted(2, "g:1", 2, 0.0)
    box.deliver(3, None, hint=False, size=1, now=0.0)
    deliver(box, 1)
    assert box.handled == 0
    assert take_all(box) == [1]
    assert box.handled == 3
    assert box.cursor == 3


def test_late_is_what_is_below_the_highest_of_its_conversation() -> None:
    box, lates = inbox(), []
    for seq, message_id, hint in ((1, 10, False), (2, 9, False), (3, 11, True), (4, 10, False)):
        message = Message(message_id=message_id, conversation_id="g:1")
        box.deliver(seq, message, hint=hint, size=1, now=0.0)
    while (received := box.take(0.0)) is not None:
        lates.append(received.is_late)
    assert lates == [False, True, False, True]


def test_an_own_message_counts_for_what_is_late() -> None:
    box = inbox()
    box.accepted(1, "g:1", 10, 0.0)
    box.deliver(2, Message(message_id=9, conversation_id="g:1"), hint=False, size=1, now=0.0)
    received = box.take(0.0)
    assert received is not None
    assert received.is_late


def test_of_a_conversation_that_was_forgotten_the_hint_decides() -> None:
    box: Inbox[Message] = Inbox(InboxLimits(conversations=1))
    box.attached(1, 0, 8, WINDOW, 0.0)
    for seq, conversation in enumerate(("g:1", "g:2", "g:1"), start=1):
        message = Message(message_id=100 - seq, conversation_id=conversation)
        box.deliver(seq, message, hint=seq == 3, size=1, now=0.0)
    lates = [received.is_late for received in iter(lambda: box.take(0.0), None)]
    assert lates == [False, False, True]


def test_a_hole_of_one_second_is_asked_for_once_a_second() -> None:
    box = inbox(head=3)
    deliver(box, 1, 0.5)
    deliver(box, 3, 1.0)
    deliver(box, 5, 1.6)  # more behind the hole does not make it younger
    assert box.sync_due(1.9) is None
    assert box.sync_due(2.0) == 2
    assert box.sync_due(2.9) is None
    assert box.sync_due(3.0) == 2
    deliver(box, 2, 3.1)
    assert box.sync_due(3.9) is None, "the next hole has its own second"
    assert box.sync_due(4.1) == 4


def test_a_head_that_nothing_leads_to_is_a_hole_after_a_silence() -> None:
    box = inbox()
    box.head_news(2, 1.0)
    assert box.next_deadline() == pytest.approx(6.0)
    assert box.sync_due(6.0) == 1
    box.head_news(2, 6.1)
    deliver(box, 1, 7.0)
    assert box.sync_due(20.0) is None, "the application is behind, not the server"


def test_a_welcome_further_on_skips_what_was_acknowledged_in_an_earlier_life() -> None:
    box = inbox()
    deliver(box, 1)
    deliver(box, 5)
    box.detached()
    box.attached(4, 5, 8, WINDOW, 1.0)
    deliver(box, 4, 1.0)
    deliver(box, 5, 1.0)
    assert take_all(box) == [1, 4, 5]


def test_forgetting_the_cursor_begins_again_where_the_server_says() -> None:
    box = inbox(first_seq=50)
    deliver(box, 50)
    deliver(box, 51)
    box.take(0.0)
    box.detached()
    box.forget_cursor()
    assert box.cursor is None
    box.attached(3, 3, 8, WINDOW, 1.0)
    box.finish(1.0)  # what was in hand counts no more
    assert box.cursor == 2
    deliver(box, 3, 1.0)
    assert take_all(box) == [3]


def test_the_cursor_of_a_store_is_presented_until_the_first_welcome() -> None:
    box: Inbox[Message] = Inbox(cursor=7)
    assert box.cursor == 7
    box.attached(9, 8, 8, WINDOW, 0.0)
    assert box.cursor == 8


def test_illegal_moves_raise_and_change_nothing() -> None:
    box: Inbox[Message] = Inbox()
    with pytest.raises(ValueError):
        deliver(box, 1)
    with pytest.raises(RemoteProtocolError):
        box.attached(0, 0, 8, WINDOW, 0.0)
    box = inbox(window=2)
    for seq in range(1, 9):
        deliver(box, seq)
    with pytest.raises(RemoteProtocolError):
        deliver(box, 9)
    assert take_all(box) == list(range(1, 9))
