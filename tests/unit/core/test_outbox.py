"""What an outbox promises: first in first out, one id per message, nothing lost or invented."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.core.outbox import Outbox
from whimbrel.core.outgoing import BodyKind, OutboxLimits, Outgoing

FRAME = 256 * 1024


def message(name: str, target: str = "g:1", size: int = 5) -> Outgoing:
    return Outgoing(name, BodyKind.TEXT, b"x" * size, target)


def outbox(*names: str, max_unanswered: int = 64) -> Outbox:
    box = Outbox()
    for name in names:
        box.add(message(name))
    box.opened(max_unanswered)
    return box


def due(box: Outbox, now: float = 0.0, max_bytes: int = FRAME) -> list[tuple[str, bool]]:
    return [(one.client_message_id, again) for one, again in box.take_due(now, max_bytes)]


def test_messages_go_out_in_their_order_and_once() -> None:
    box = outbox("a", "b", "c")
    assert due(box) == [("a", False), ("b", False), ("c", False)]
    assert due(box) == []
    assert box.ids == ("a", "b", "c")


def test_nothing_goes_out_without_a_stream() -> None:
    box = Outbox()
    box.add(message("a"))
    assert due(box) == []
    assert box.next_deadline() is None
    box.opened(1)
    assert box.next_deadline() == -math.inf
    assert due(box) == [("a", False)]


def test_a_lost_stream_makes_everything_due_again_with_resend() -> None:
    box = outbox("a", "b", max_unanswered=1)
    assert due(box) == [("a", False)]
    box.lost()
    box.add(message("c"))
    box.opened(64)
    assert due(box) == [("a", True), ("b", False), ("c", False)]
    assert box.statistics().resends == 1


def test_a_message_of_an_earlier_process_is_a_resend() -> None:
    box = Outbox()
    box.add(message("a"), was_sent=True)
    box.opened(8)
    assert due(box) == [("a", True)]


def test_unknown_and_retry_after_go_out_again_under_the_same_id() -> None:
    box = outbox("a")
    due(box)
    error = unavailable("later", retry_after_seconds=2.0, outcome_unknown=True)
    assert box.rejected("a", error, 10.0) is None
    assert box.next_deadline() == pytest.approx(12.0)
    assert due(box, 11.9) == []
    assert due(box, 12.0) == [("a", True)]


def test_refusals_without_a_time_are_spaced_out() -> None:
    box, now, waits = outbox("a"), 0.0, []
    for _ in range(9):
        assert due(box, now) != []
        box.rejected("a", WhimbrelError(ErrorCode.UNAVAILABLE, "", outcome_unknown=True), now)
        at = box.next_deadline()
        assert at is not None
        waits.append(at - now)
        now = at
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0, 8.0])


def test_a_final_refusal_gives_the_message_back() -> None:
    box = outbox("a")
    due(box)
    refused = box.rejected("a", WhimbrelError(ErrorCode.NOT_A_MEMBER, "no"), 0.0)
    assert refused == message("a")
    assert box.ids == ()


def test_a_newer_attachment_does_not_make_a_refusal_final() -> None:
    box = outbox("a")
    due(box)
    assert box.rejected("a", WhimbrelError(ErrorCode.STALE_EPOCH, "newer"), 0.0) is None
    assert box.ids == ("a",)


def test_new_messages_wait_behind_one_of_their_target_that_waits() -> None:
    box = outbox("a")
    due(box)
    box.rejected("a", unavailable("later", retry_after_seconds=1.0), 0.0)
    box.add(message("b"))
    box.add(message("c", "g:2"))
    assert due(box, 0.5) == [("c", False)]
    assert box.next_deadline() == pytest.approx(1.0)
    assert due(box, 1.0) == [("a", True), ("b", False)]


def test_a_held_message_keeps_its_place() -> None:
    box = Outbox()
    box.opened(8)
    box.add(message("a"), held=True)
    box.add(message("b"))
    assert due(box) == []
    box.release("a")
    assert due(box) == [("a", False), ("b", False)]


def test_a_frame_has_a_size_and_at_least_one_message() -> None:
    box = Outbox()
    box.opened(8)
    for name in ("a", "b", "c"):
        box.add(message(name, size=1_000))
    assert due(box, max_bytes=10) == [("a", False)]
    assert due(box, max_bytes=2_500) == [("b", False), ("c", False)]


def test_the_unanswered_are_bounded() -> None:
    box = outbox("a", "b", "c", max_unanswered=2)
    assert len(due(box)) == 2
    assert box.next_deadline() == pytest.approx(15.0), "room comes with an answer"
    box.accepted("a")
    assert due(box) == [("c", False)]


def test_an_answer_that_never_comes_is_asked_for_again() -> None:
    box = outbox("a")
    due(box, 1.0)
    assert box.next_deadline() == pytest.approx(16.0)
    assert due(box, 15.9) == []
    assert due(box, 16.0) == [("a", True)]


def test_the_second_answer_to_one_message_is_no_news() -> None:
    box = outbox("a")
    due(box)
    assert box.accepted("a") == message("a")
    assert box.accepted("a") is None
    assert box.knows("a"), "so its return on the timeline is no event"
    assert not box.holds("a")


def test_the_memory_of_answers_is_bounded() -> None:
    box = Outbox(OutboxLimits(remembered_answers=2))
    for name in ("a", "b", "c"):
        box.accepted(name)
    assert [box.knows(name) for name in ("a", "b", "c")] == [False, True, True]


def test_giving_up_says_whether_it_may_be_stored() -> None:
    box = outbox("a", max_unanswered=1)
    due(box)
    box.add(message("b"))
    assert box.give_up("a")
    assert not box.give_up("b")
    assert not box.give_up("unheard of")
    assert box.ids == ()
    assert box.statistics().bytes == 0


def test_the_outbox_is_bounded_in_messages_and_bytes() -> None:
    box = Outbox(OutboxLimits(capacity_messages=2, capacity_bytes=200))
    box.add(message("a"))
    with pytest.raises(WhimbrelError) as refusal:
        box.add(message("b", size=500))
    assert refusal.value.code is ErrorCode.OVERLOADED
    box.add(message("c"))
    with pytest.raises(WhimbrelError):
        box.add(message("d"))
    with pytest.raises(WhimbrelError) as repeated:
        box.add(message("a"))
    assert repeated.value.code is ErrorCode.INVALID_ARGUMENT
    assert box.ids == ("a", "c")


def test_an_outbox_refuses_another_owner() -> None:
    box = Outbox()
    box.bind("alice", "phone")
    box.bind("alice", "phone")
    for other in (("alice", "desk"), ("bob", "phone")):
        with pytest.raises(WhimbrelError) as refusal:
            box.bind(*other)
        assert refusal.value.code is ErrorCode.PERMISSION_DENIED
    assert box.owner == ("alice", "phone")


def test_a_message_has_exactly_one_target() -> None:
    with pytest.raises(WhimbrelError):
        Outgoing("a", BodyKind.TEXT, b"")
    with pytest.raises(WhimbrelError):
        Outgoing("a", BodyKind.TEXT, b"", "g:1", "bob")


@given(st.integers(0, 10_000))
def test_every_message_is_answered_once_and_first_sent_in_order(seed: int) -> None:
    """A server that answers, refuses and vanishes at random; the resend flag is always true
    from the second time on, and never at the first."""
    random = Random(seed)
    box, now, was_sent = Outbox(), 0.0, set[str]()
    names = [f"{number}" for number in range(20)]
    order: dict[str, list[str]] = {"g:1": [], "g:2": []}
    answered: list[str] = []
    on_stream: list[str] = []
    waiting = iter(names)
    while len(answered) < len(names):
        now += random.random()
        if (name := next(waiting, None)) is not None:
            box.add(message(name, random.choice(("g:1", "g:2"))))
        if random.random() < 0.2:
            box.lost()
            on_stream.clear()
        box.opened(3)
        for one, again in box.take_due(now, FRAME):
            name = one.client_message_id
            assert again == (name in was_sent)
            if not again:
                order[one.target].append(name)
            was_sent.add(name)
            on_stream.append(name)
        assert len(box.ids) == len(set(box.ids))
        assert box.statistics().unanswered <= 3
        for name in random.sample(on_stream, random.randrange(len(on_stream) + 1)):
            on_stream.remove(name)
            if random.random() < 0.5:
                if box.accepted(name) is not None:
                    answered.append(name)
            else:
                box.rejected(name, unavailable("", retry_after_seconds=1.0), now)
    assert sorted(answered) == sorted(names)
    assert box.statistics().bytes == 0
    for sent in order.values():
        assert sent == sorted(sent, key=int)
