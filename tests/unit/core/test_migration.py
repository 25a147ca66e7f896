"""The client's side of a move, played with every end that it can have."""

from __future__ import annotations

import random

import pytest

from whimbrel.core.migration import MAX_TARGETS, Migration, MoveState, MoveTarget, Verdict

ONE, TWO = MoveTarget("one:1", "t1"), MoveTarget("two:1", "t2")


def answers(migration: Migration) -> list[Verdict]:
    found = []
    while (answer := migration.take_answer()) is not None:
        found.append(answer.verdict)
    return found


def state_of(migration: Migration) -> MoveState:
    return migration.state


def opening(*targets: MoveTarget) -> Migration:
    migration = Migration()
    migration.asked("plan", targets, 0.1, 10.0, 0.5)
    assert migration.next_attempt() == 10.05
    assert answers(migration) == [Verdict.GO]
    assert migration.begin() == targets[0]
    return migration


def test_a_welcome_ends_the_move() -> None:
    migration = opening(ONE)
    migration.welcomed()
    assert migration.state is MoveState.STAYING
    assert migration.statistics().moved == 1
    assert answers(migration) == []


def test_the_next_target_is_due_when_one_says_no() -> None:
    migration = opening(ONE, TWO)
    migration.refused("busy", 11.0)
    assert migration.next_attempt() == 11.0
    assert migration.begin() == TWO
    migration.refused("busy", 12.0, [ONE, TWO])
    assert migration.state is MoveState.STAYING, "none is tried twice"
    assert answers(migration) == [Verdict.CANNOT]


def test_busy_pods_that_name_each_other_for_ever_are_not_followed() -> None:
    migration = opening(ONE)
    number = 0
    while state_of(migration) is MoveState.OPENING:
        number += 1
        migration.refused("busy", 11.0, [MoveTarget(f"more-{number}:1", "")])
        if state_of(migration) is MoveState.WAITING:
            migration.begin()
    assert number == MAX_TARGETS


def test_a_move_that_may_have_taken_the_route_is_taken_back() -> None:
    migration = opening(ONE, TWO)
    migration.failed("no Welcome in time", 20.0)
    assert migration.state is MoveState.RESUMING
    assert answers(migration) == [Verdict.CANNOT]
    assert migration.take_resume()
    assert not migration.take_resume(), "once"
    assert migration.resume_deadline() == 30.0
    migration.resumed()
    assert (migration.state, migration.resume_deadline()) == (MoveState.STAYING, None)


def test_a_stream_that_ends_leaves_the_attempt_to_go_on() -> None:
    migration = opening(ONE)
    migration.lost()
    assert state_of(migration) is MoveState.OPENING
    migration.over()
    assert state_of(migration) is MoveState.STAYING


def test_a_second_migrate_changes_nothing() -> None:
    migration = opening(ONE)
    migration.asked("plan", [TWO], 0.0, 11.0, 0.0)
    assert answers(migration) == [Verdict.GO]
    assert migration.state is MoveState.OPENING


def test_who_wants_to_move_later_says_so() -> None:
    migration = Migration()
    migration.asked("plan", [ONE], 0.0, 0.0, 0.0, defer_seconds=5.0)
    answer = migration.take_answer()
    assert answer is not None
    assert (answer.verdict, answer.defer_seconds) == (Verdict.DEFER, 5.0)
    assert migration.next_attempt() is None


@pytest.mark.parametrize("seed", range(300))
def test_any_order_of_events_ends_in_a_state_that_can_move_again(seed: int) -> None:
    dice = random.Random(seed)
    migration = Migration()
    now = 0.0
    for _ in range(200):
        now += dice.random()
        event = dice.choice(["asked", "begin", "refused", "failed", "welcomed", "lost", "resumed"])
        if event == "asked":
            targets = dice.sample([ONE, TWO], dice.randint(0, 2))
            migration.asked("plan", targets, 1.0, now, dice.random())
        elif event == "begin":
            if migration.state is MoveState.WAITING:
                migration.begin()
            else:
                with pytest.raises(ValueError, match="nothing to begin"):
                    migration.begin()
        elif event == "refused":
            migration.refused("no", now)
        elif event == "failed":
            migration.failed("broke", now)
        elif event == "welcomed":
            migration.welcomed()
        elif event == "lost":
            migration.lost()
        else:
            migration.resumed()
        resuming = migration.state is MoveState.RESUMING
        assert (migration.resume_deadline() is not None) == resuming, f"seed {seed}"
        assert (migration.next_attempt() is not None) == (migration.state is MoveState.WAITING)
    migration.lost()
    migration.over()
    migration.asked("plan", [ONE], 0.0, now, 0.0)
    assert migration.next_attempt() == now
