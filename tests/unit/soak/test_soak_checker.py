"""The checker calls nothing wrong that is right, and each broken promise by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.soak import broken_histories as broken
from tests.unit.soak.broken_histories import History, at_end, changed, without
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
    Fault,
    Info,
    Invoked,
    Ok,
    Started,
    Stopped,
    encode,
)
from whimbrel.testing.soak.report import explain
from whimbrel.testing.soak.verdict import KINDS, SHOWN


def test_a_healthy_history_holds() -> None:
    verdict = check(healthy())
    assert verdict.holds
    assert verdict.is_complete
    assert (verdict.accepted, verdict.delivered, verdict.violations) == (5, 10, 0)
    assert verdict.seed == 7
    assert str(verdict) == "lost 0, duplicated 0, reordered 0"


@pytest.mark.parametrize(
    ("bug", "kind"),
    [
        (broken.lose, "lost"),
        (broken.lose_what_somebody_else_was_given, "lost"),
        (broken.skip, "holes"),
        (broken.lose_in_the_stores, "lost"),
        (broken.repeat, "duplicated"),
        (broken.repeat_same_seq, "duplicated"),
        (broken.store_twice, "duplicated"),
        (broken.swap, "reordered"),
        (broken.overtake_unmarked, "reordered"),
        (broken.leave_a_hole, "holes"),
        (broken.end_below, "holes"),
        (broken.invent, "phantoms"),
        (broken.change_the_body, "phantoms"),
        (broken.give_a_stranger, "phantoms"),
        (broken.give_what_was_refused, "phantoms"),
        (broken.accept_what_was_not_sent, "phantoms"),
        (broken.disagree_about_a_seq, "duplicated"),
        (broken.disagree_about_an_id, "disagreements"),
        (broken.forget_order_over_a_restart, "disagreements"),
        (broken.resume_too_low, "cursors_back"),
        (broken.give_again_what_was_confirmed, "cursors_back"),
        (broken.store_a_lower_cursor, "cursors_back"),
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
    events = broken.overtake_unmarked(healthy())
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
    assert check(broken.lose(healthy())).seconds_to_heads is None
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
