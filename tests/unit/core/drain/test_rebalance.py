"""After a scale-out: even enough, with next to no move too many, and the same ones each time."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from whimbrel.core.drain.grace import drain_seconds, grace_seconds, least_seconds
from whimbrel.core.drain.rebalance import (
    Mover,
    RebalanceLimits,
    choose_movers,
    is_uneven,
    plan_rebalance,
)
from whimbrel.core.drain.victims import Holder, choose_victims


def least_moves(sessions: dict[str, int]) -> int:
    """Brute force: take from the fullest until the ratio is kept."""
    mean = sum(sessions.values()) / len(sessions)
    return sum(max(0, held - int(1.05 * mean)) for held in sessions.values())


@pytest.mark.parametrize("seed", range(30))
def test_from_eight_to_nine_pods(seed: int) -> None:
    dice = random.Random(seed)
    held = {f"access-{i}": dice.randint(4500, 5500) for i in range(8)} | {"access-8": 0}
    assert is_uneven(held, was_added=True)
    plan = plan_rebalance(held)
    assert plan is not None
    assert plan.moves <= 1.1 * least_moves(held)
    for pod_id, count in plan.donors.items():
        held[pod_id] -= count
    for pod_id, count in plan.receivers.items():
        held[pod_id] += count
    assert max(held.values()) <= 1.05 * sum(held.values()) / 9
    assert plan_rebalance(held) is None, "then it is over"
    assert not is_uneven(held, was_added=True)


@pytest.mark.parametrize("seed", range(300))
def test_any_load_becomes_even_with_few_moves(seed: int) -> None:
    dice = random.Random(seed)
    held = {f"p{i}": int(dice.expovariate(1 / 900)) for i in range(dice.randint(2, 12))}
    plan = plan_rebalance(held)
    if plan is None:
        return
    assert not set(plan.donors) & set(plan.receivers)
    assert plan.moves <= 1.1 * least_moves(held)
    assert sum(plan.receivers.values()) == plan.moves
    mean = sum(held.values()) / len(held)
    for pod_id, count in plan.donors.items():
        assert held[pod_id] - count <= 1.05 * mean
    for pod_id, count in plan.receivers.items():
        assert held[pod_id] + count <= 1.05 * mean + 1


def test_the_real_choice_of_sessions_from_eight_to_nine() -> None:
    """Thousands of sessions, chosen one by one, move to the shares of the plan."""
    sessions = {f"access-{i}": [f"user{i}-{n}/phone" for n in range(2000)] for i in range(8)}
    sessions["access-8"] = []
    before = {pod_id: len(keys) for pod_id, keys in sessions.items()}
    plan = plan_rebalance(before)
    assert plan is not None
    moved: set[str] = set()
    for donor, count in plan.donors.items():
        movers = [Mover(key, None, is_idle=n % 3 == 0) for n, key in enumerate(sessions[donor])]
        keys = choose_movers(movers, list(plan.receivers), count, now=0.0)
        assert len(keys) == count
        moved.update(keys)
        sessions[donor] = [key for key in sessions[donor] if key not in moved]
        sessions["access-8"] += keys
    after = [len(keys) for keys in sessions.values()]
    assert len(moved) == plan.moves
    assert max(after) <= 1.05 * sum(after) / 9
    assert plan.moves <= 1.1 * least_moves(before)


def test_chance_alone_starts_nothing() -> None:
    even = Counter(random.Random(3).choice("abcdefgh") for _ in range(8000))
    assert not is_uneven(even, was_added=False)
    assert is_uneven({"a": 1200, "b": 1000, "c": 850}, was_added=False)
    assert not is_uneven({"a": 1100, "b": 1000, "c": 900}, was_added=False)
    assert not is_uneven({"a": 9, "b": 0}, was_added=True), "too few to count"
    assert not is_uneven({"a": 900}, was_added=True)


def test_the_same_sessions_are_chosen_after_a_restart() -> None:
    movers = [Mover(f"u{n}/d", None, is_idle=True) for n in range(500)]
    first = choose_movers(movers, ["new"], 100, now=0.0)
    random.Random(4).shuffle(movers)
    assert choose_movers(movers, ["new"], 100, now=9.0) == first
    left = [mover for mover in movers if mover.key not in first[:40]]
    assert choose_movers(left, ["new"], 60, now=9.0) == first[40:], "it goes on where it stopped"


def test_idle_sessions_go_first_and_who_has_just_come_stays() -> None:
    movers = [
        Mover("busy", None, is_idle=False),
        Mover("idle", None, is_idle=True),
        Mover("came", 100.0, is_idle=True),
    ]
    assert choose_movers(movers, ["new"], 5, now=1000.0) == ["idle", "busy"]
    assert "came" in choose_movers(movers, ["new"], 5, now=1900.0)
    assert choose_movers(movers, ["new"], 5, 101.0, RebalanceLimits(rest_seconds=1.0))[1] != "busy"
    assert choose_movers(movers, ["new"], -3, now=0.0) == []


def test_the_victim_has_the_fewest_sessions() -> None:
    holders = [Holder("a", 900, "2"), Holder("b", 300, "2"), Holder("c", 800, "2")]
    assert choose_victims(holders, 2, "2") == ["b", "c"]


def test_among_equals_the_old_revision_goes_then_the_fullest_zone() -> None:
    holders = [
        Holder("a", 500, "2", "z1"),
        Holder("b", 510, "1", "z2"),
        Holder("c", 505, "2", "z1"),
        Holder("d", 500, "2", "z3"),
    ]
    assert choose_victims(holders, 4, "2")[:2] == ["b", "a"]
    assert len(choose_victims(holders, 9, "2")) == 4


def test_who_leaves_anyway_or_is_not_ready_goes_first() -> None:
    holders = [
        Holder("idle", 0),
        Holder("sick", 900, is_ready=False),
        Holder("leaving", 900, is_leaving=True),
    ]
    assert choose_victims(holders, 3, "") == ["leaving", "sick", "idle"]


def test_the_formula_of_a_drain() -> None:
    assert drain_seconds(0, 0.0) == 10.0
    assert drain_seconds(2000, 100.0) == 40.0
    assert drain_seconds(10, 0.0) == float("inf")
    assert least_seconds(2000, 100.0) == 25.0
    assert grace_seconds(2000, 100.0) == 50
    with pytest.raises(ValueError, match="hold fewer"):
        grace_seconds(100_000, 100.0)
