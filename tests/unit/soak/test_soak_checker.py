"""The checker calls nothing wrong that is right, and each broken promise by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.soak.soak_history import (
    ALICE,
    BOB,
    CONVERSATION,
    DESK,
    delivered,
    healthy,
)
from whimbrel.testing.soak.checker import check
from whimbrel.testing.soak.events import (
    Attached,
    Confirmed,
    Delivered,
    Event,
    Fail,
    Fault,
    Info,
    Invoked,
    Ok,
    Started,
    Stopped,
    StoredCursor,
    StoredHead,
    StoredProblem,
    encode,
)
from whimbrel.testing.soak.report import explain
from whimbrel.testing.soak.verdict import KINDS, SHOWN

History = list[Event]


def at_end(events: History, *more: Event) -> History:
    """`more` before the last line, which says that the history is whole."""
    return [*events[:-1], *more, events[-1]]


def index_of(events: History, kind: type, client: str, nth: int = 0) -> int:
    found = [
        at
        for at, event in enumerate(events)
        if isinstance(event, kind) and getattr(event, "client", None) == client
    ]
    return found[nth]


def changed(events: History, kind: type, client: str, nth: int, **fields: object) -> History:
    at = index_of(events, kind, client, nth)
    event = events[at]
    assert isinstance(event, tuple)
    return [*events[:at], event._replace(**fields), *events[at + 1 :]]  # type: ignore[arg-type]


def without(events: History, kind: type, client: str, nth: int) -> History:
    at = index_of(events, kind, client, nth)
    return [*events[:at], *events[at + 1 :]]


def test_a_healthy_history_holds() -> None:
    verdict = check(healthy())
    assert verdict.holds
    assert verdict.is_complete
    assert (verdict.accepted, verdict.delivered, verdict.violations) == (5, 10, 0)
    assert verdict.seed == 7
    assert str(verdict) == "lost 0, duplicated 0, reordered 0"


def _lose(events: History) -> History:
    return without(events, Delivered, BOB, 4)


def _lose_what_somebody_else_was_given(events: History) -> History:
    # Never accepted, but one device has it: then the other must have it too.
    events = without(events, Ok, ALICE, 4)
    return without(events, Delivered, DESK, 4)


def _skip(events: History) -> History:
    return without(events, Delivered, BOB, 2)


def _lose_in_the_stores(events: History) -> History:
    return at_end(events, StoredProblem(9.0, "lost", "103 was accepted and is not stored"))


def _repeat(events: History) -> History:
    return at_end(events, delivered(5.9, BOB, 5, seq=6))


def _repeat_same_seq(events: History) -> History:
    return at_end(events, delivered(5.9, BOB, 5))


def _store_twice(events: History) -> History:
    again = Ok(5.8, ALICE, "m5", 999, 6, CONVERSATION)
    return at_end(events, again)


def _swap(events: History) -> History:
    one, other = index_of(events, Delivered, BOB, 1), index_of(events, Delivered, BOB, 2)
    events[one], events[other] = events[other], events[one]
    return events


def _overtake_unmarked(events: History) -> History:
    for client in (BOB, DESK):
        events = changed(events, Delivered, client, 1, message_id=103)
        events = changed(events, Delivered, client, 2, message_id=102)
    events = changed(events, Ok, ALICE, 1, message_id=103)
    return changed(events, Ok, ALICE, 2, message_id=102)


def _leave_a_hole(events: History) -> History:
    return at_end(events, StoredHead(9.0, "bob", 5, (3,)))


def _end_below(events: History) -> History:
    return at_end(events, StoredHead(9.0, "bob", 4, ()))


def _invent(events: History) -> History:
    return at_end(events, delivered(5.9, BOB, 6))


def _change_the_body(events: History) -> History:
    return changed(events, Delivered, BOB, 1, digest="other")


def _give_a_stranger(events: History) -> History:
    came: History = [
        Started(0.1, "eve/phone", "prompt", False),
        Attached(0.2, "eve/phone", 1, 0, 1),
    ]
    return at_end([*events[:1], *came, *events[1:]], delivered(5.9, "eve/phone", 5, seq=1))


def _give_what_was_refused(events: History) -> History:
    at = index_of(events, Ok, ALICE, 4)
    events[at] = Fail(5.1, ALICE, "m5", "FORBIDDEN")
    return events


def _accept_what_was_not_sent(events: History) -> History:
    return at_end(events, Ok(5.8, ALICE, "m9", 109, 6, CONVERSATION))


def _disagree_about_a_seq(events: History) -> History:
    sent = Invoked(5.2, ALICE, "m6", CONVERSATION, ("alice", "bob"), "d")
    return at_end(
        events,
        sent,
        delivered(5.8, BOB, 6, seq=6),
        delivered(5.8, DESK, 6, seq=7),
    )


def _disagree_about_an_id(events: History) -> History:
    return at_end(
        events,
        Invoked(5.2, BOB, "b1", CONVERSATION, ("alice", "bob"), "d"),
        Ok(5.3, BOB, "b1", 103, 6, CONVERSATION),
    )


def _forget_order_over_a_restart(events: History) -> History:
    sent = Invoked(5.2, ALICE, "m0", CONVERSATION, ("alice", "bob"), "d")
    late = delivered(5.8, BOB, 0, seq=6)
    back: History = [Started(5.6, BOB, "prompt", False), Attached(5.7, BOB, 6, 6, 9)]
    return at_end(events, sent, Stopped(5.5, BOB, "abandoned"), *back, late)


def _resume_too_low(events: History) -> History:
    return at_end(events, Attached(5.8, BOB, 5, 5, 9))


def _give_again_what_was_confirmed(events: History) -> History:
    back: History = [Started(5.6, BOB, "prompt", False), Attached(5.7, BOB, 6, 6, 9)]
    return at_end(events, *back, delivered(5.8, BOB, 4))


def _store_a_lower_cursor(events: History) -> History:
    return at_end(events, StoredCursor(9.0, BOB, 4))


@pytest.mark.parametrize(
    ("bug", "kind"),
    [
        (_lose, "lost"),
        (_lose_what_somebody_else_was_given, "lost"),
        (_skip, "holes"),
        (_lose_in_the_stores, "lost"),
        (_repeat, "duplicated"),
        (_repeat_same_seq, "duplicated"),
        (_store_twice, "duplicated"),
        (_swap, "reordered"),
        (_overtake_unmarked, "reordered"),
        (_leave_a_hole, "holes"),
        (_end_below, "holes"),
        (_invent, "phantoms"),
        (_change_the_body, "phantoms"),
        (_give_a_stranger, "phantoms"),
        (_give_what_was_refused, "phantoms"),
        (_accept_what_was_not_sent, "phantoms"),
        (_disagree_about_a_seq, "duplicated"),
        (_disagree_about_an_id, "disagreements"),
        (_forget_order_over_a_restart, "disagreements"),
        (_resume_too_low, "cursors_back"),
        (_give_again_what_was_confirmed, "cursors_back"),
        (_store_a_lower_cursor, "cursors_back"),
    ],
)
def test_each_broken_promise_is_called_by_its_name(
    bug: Callable[[History], History], kind: str, tmp_path: Path
) -> None:
    events = bug(healthy())
    verdict = check(events)
    assert verdict.counts[kind] > 0
    assert not verdict.holds
    assert set(verdict.counts) == set(KINDS)
    history = tmp_path / "history.jsonl"
    history.write_text("".join(encode(event) + "\n" for event in events))
    told = "\n".join(explain(verdict, history))
    assert kind.replace("_", " ") in told
    assert '{"type":' in told, "the events that prove it are shown"


def test_an_unknown_outcome_may_have_happened_or_not() -> None:
    events = healthy()
    unheard: History = [
        Invoked(5.2, ALICE, "m6", CONVERSATION, ("alice", "bob"), "d"),
        Info(5.3, ALICE, "m6", "UNAVAILABLE"),
    ]
    assert check(at_end(events, *unheard)).holds
    came: History = [delivered(5.8, BOB, 6), delivered(5.8, DESK, 6)]
    assert check(at_end(events, *unheard, *came)).holds
    resolved = Ok(5.9, ALICE, "m6", 106, 6, CONVERSATION)
    verdict = check(at_end(events, *unheard, *came, resolved))
    assert verdict.holds
    assert (verdict.accepted, verdict.unknown) == (6, 0)


def test_what_was_not_confirmed_may_come_again_to_a_program_that_was_killed() -> None:
    events = without(healthy(), Confirmed, BOB, 4)
    back: History = [
        Stopped(5.5, BOB, "abandoned"),
        Started(5.6, BOB, "prompt", True),
        Attached(5.7, BOB, 5, 5, 9),
    ]
    assert check(at_end(events, *back, delivered(5.8, BOB, 5))).holds


def test_a_late_message_that_is_marked_is_in_order() -> None:
    events = _overtake_unmarked(healthy())
    for client in (BOB, DESK):
        events = changed(events, Delivered, client, 2, late=True)
    assert check(events).holds


def test_voids_and_own_messages_may_be_left_out() -> None:
    events = healthy()
    own: History = [
        Invoked(5.2, BOB, "b1", CONVERSATION, ("alice", "bob"), "d"),
        Ok(5.3, BOB, "b1", 106, 6, CONVERSATION),
        Delivered(5.4, ALICE, 6, 106, CONVERSATION, False, BOB, "b1", "d"),
        Delivered(5.4, DESK, 6, 106, CONVERSATION, False, BOB, "b1", "d"),
        Invoked(5.5, ALICE, "m8", CONVERSATION, ("alice", "bob"), "d"),  # at 8: 7 is a void
        Ok(5.6, ALICE, "m8", 108, 8, CONVERSATION),
        delivered(5.7, BOB, 8),
        delivered(5.7, DESK, 8),
    ]
    assert check(at_end(events, *own)).holds


def test_who_is_deaf_or_came_later_is_owed_nothing() -> None:
    events = healthy()
    deaf = Started(0.2, "bob/deaf", "deaf", False)
    later: History = [
        Started(5.6, "bob/tablet", "prompt", False),
        Attached(5.7, "bob/tablet", 6, 5, 1),
    ]
    assert check(at_end([*events[:1], deaf, *events[1:]], *later)).holds


def test_the_time_to_the_heads_counts_from_the_last_fault() -> None:
    events = healthy()
    fault: History = [
        Fault(2.0, "kill", "logic-0", 2.0, None),
        Fault(4.0, "kill", "logic-0", 2.0, 4.0),
    ]
    late = changed(at_end(events, *fault), Delivered, BOB, 4, t=6.5)
    verdict = check(late)
    assert verdict.faults == {"kill": 1}
    assert verdict.seconds_to_heads == pytest.approx(0.0)  # the load ended at 6, after that
    assert check(_lose(healthy())).seconds_to_heads is None
    assert replace(verdict, seconds_to_heads=31.0).holds is False


def test_a_gap_is_counted_from_when_the_delivery_was_due() -> None:
    verdict = check(healthy())
    assert verdict.gap_max_ms == pytest.approx(20.0)
    assert verdict.gap_p50_ms == pytest.approx(20.0)
    assert verdict.latency_p50_ms == pytest.approx(120.0)


def test_a_history_that_breaks_off_does_not_hold() -> None:
    verdict = check(healthy()[:-1])
    assert verdict.violations == 0
    assert not verdict.holds


def test_at_most_twenty_violations_are_shown_and_all_are_counted() -> None:
    events = healthy(messages=60)
    kept = [e for e in events if not (isinstance(e, Delivered) and e.client == BOB)]
    verdict = check(kept)
    assert verdict.lost == 60
    assert len(verdict.shown) == SHOWN
    assert explain(verdict, None)[-1].startswith("and 40 more")
