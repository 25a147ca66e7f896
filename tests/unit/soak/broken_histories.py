"""A healthy history with one promise broken, in each of the ways that there are."""

from __future__ import annotations

from tests.unit.soak.soak_history import (
    ALICE,
    BOB,
    CONVERSATION,
    DESK,
    delivered,
)
from whimbrel.testing.soak.events import (
    Attached,
    Delivered,
    Event,
    Fail,
    Invoked,
    Ok,
    Started,
    Stopped,
    StoredCursor,
    StoredHead,
    StoredProblem,
)

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


def lose(events: History) -> History:
    return without(events, Delivered, BOB, 4)


def lose_what_somebody_else_was_given(events: History) -> History:
    # Never accepted, but one device has it: then the other must have it too.
    events = without(events, Ok, ALICE, 4)
    return without(events, Delivered, DESK, 4)


def skip(events: History) -> History:
    return without(events, Delivered, BOB, 2)


def lose_in_the_stores(events: History) -> History:
    return at_end(events, StoredProblem(9.0, "lost", "103 was accepted and is not stored"))


def repeat(events: History) -> History:
    return at_end(events, delivered(5.9, BOB, 5, seq=6))


def repeat_same_seq(events: History) -> History:
    return at_end(events, delivered(5.9, BOB, 5))


def store_twice(events: History) -> History:
    again = Ok(5.8, ALICE, "m5", 999, 6, CONVERSATION)
    return at_end(events, again)


def swap(events: History) -> History:
    one, other = index_of(events, Delivered, BOB, 1), index_of(events, Delivered, BOB, 2)
    events[one], events[other] = events[other], events[one]
    return events


def overtake_unmarked(events: History) -> History:
    for client in (BOB, DESK):
        events = changed(events, Delivered, client, 1, message_id=103)
        events = changed(events, Delivered, client, 2, message_id=102)
    events = changed(events, Ok, ALICE, 1, message_id=103)
    return changed(events, Ok, ALICE, 2, message_id=102)


def leave_a_hole(events: History) -> History:
    return at_end(events, StoredHead(9.0, "bob", 5, (3,)))


def end_below(events: History) -> History:
    return at_end(events, StoredHead(9.0, "bob", 4, ()))


def invent(events: History) -> History:
    return at_end(events, delivered(5.9, BOB, 6))


def change_the_body(events: History) -> History:
    return changed(events, Delivered, BOB, 1, digest="other")


def give_a_stranger(events: History) -> History:
    came: History = [
        Started(0.1, "eve/phone", "prompt", False),
        Attached(0.2, "eve/phone", 1, 0, 1),
    ]
    return at_end([*events[:1], *came, *events[1:]], delivered(5.9, "eve/phone", 5, seq=1))


def give_what_was_refused(events: History) -> History:
    at = index_of(events, Ok, ALICE, 4)
    events[at] = Fail(5.1, ALICE, "m5", "FORBIDDEN")
    return events


def accept_what_was_not_sent(events: History) -> History:
    return at_end(events, Ok(5.8, ALICE, "m9", 109, 6, CONVERSATION))


def disagree_about_a_seq(events: History) -> History:
    sent = Invoked(5.2, ALICE, "m6", CONVERSATION, ("alice", "bob"), "d")
    return at_end(
        events,
        sent,
        delivered(5.8, BOB, 6, seq=6),
        delivered(5.8, DESK, 6, seq=7),
    )


def disagree_about_an_id(events: History) -> History:
    return at_end(
        events,
        Invoked(5.2, BOB, "b1", CONVERSATION, ("alice", "bob"), "d"),
        Ok(5.3, BOB, "b1", 103, 6, CONVERSATION),
    )


def forget_order_over_a_restart(events: History) -> History:
    sent = Invoked(5.2, ALICE, "m0", CONVERSATION, ("alice", "bob"), "d")
    late = delivered(5.8, BOB, 0, seq=6)
    back: History = [Started(5.6, BOB, "prompt", False), Attached(5.7, BOB, 6, 6, 9)]
    return at_end(events, sent, Stopped(5.5, BOB, "abandoned"), *back, late)


def resume_too_low(events: History) -> History:
    return at_end(events, Attached(5.8, BOB, 5, 5, 9))


def give_again_what_was_confirmed(events: History) -> History:
    back: History = [Started(5.6, BOB, "prompt", False), Attached(5.7, BOB, 6, 6, 9)]
    return at_end(events, *back, delivered(5.8, BOB, 4))


def store_a_lower_cursor(events: History) -> History:
    return at_end(events, StoredCursor(9.0, BOB, 4))
