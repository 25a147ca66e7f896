"""What an inbox promises: order, once, acks that are true, holes that are asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.inbox import Inbox
from whimbrel.core.inbox_types import InboxLimits, RemoteProtocolError

Message = types_pb2.Message
WINDOW = 256 * 1024


def inbox(first_seq: int = 1, head: int = 0, window: int = 8) -> Inbox[Message]:
    box: Inbox[Message] = Inbox()
    box.attached(first_seq, head, window, WINDOW, 0.0)
    return box


def deliver(box: Inbox[Message], seq: int, now: float = 0.0, *, size: int = 10) -> None:
    message = Message(message_id=seq, conversation_id="g:1")
    box.deliver(seq, message, hint=False, size=size, now=now)


def take_all(box: Inbox[Message], now: float = 0.0) -> list[int]:
    seqs = []
    while (received := box.take(now)) is not None:
        seqs.append(received.seq)
    return seqs


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
