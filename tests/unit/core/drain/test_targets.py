"""Targets: no herd, no full pod, alternates elsewhere, newest revision first."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from whimbrel.core.drain.candidates import Candidate
from whimbrel.core.drain.targets import TargetChooser, room, youngest_revision


def pod(name: str, sessions: int = 0, **more: object) -> Candidate:
    return Candidate(name, f"{name}:1", sessions, started_at=-1000.0)._replace(**more)  # type: ignore[arg-type]


def chosen(pods: list[Candidate], count: int, now: float = 0.0, **more: str) -> Counter[str]:
    chooser = TargetChooser()
    chooser.see(pods, leaving="old", revision=more.get("revision"), now=now)
    dice = random.Random(1)
    return Counter(chooser.choose(dice.getrandbits(64), now)[0].pod_id for _ in range(count))


def test_choices_against_one_stale_table_do_not_herd() -> None:
    loads = {"a": 0, "b": 900, "c": 1000, "d": 1100}
    got = chosen([pod(name, held) for name, held in loads.items()], 1000)
    after = [held + got[name] for name, held in loads.items()]
    assert got["a"] > got["d"]
    assert max(after) < 1.2 * sum(after) / 4


def test_even_pods_stay_even() -> None:
    got = chosen([pod(name, 500) for name in "abcd"], 2000)
    assert max(got.values()) - min(got.values()) <= 40


def test_nobody_is_sent_to_a_full_or_closed_or_leaving_pod() -> None:
    pods = [
        pod("full", 100, max_sessions=100),
        pod("shut", 0, is_open=False),
        pod("old", 0),
        pod("nowhere", 0, endpoint=""),
        pod("good", 10),
    ]
    assert set(chosen(pods, 200)) == {"good"}


def test_room_counts_what_was_assigned_since_the_table() -> None:
    chooser = TargetChooser()
    chooser.see([pod("a", 95, max_sessions=100)], leaving="old", revision=None, now=0.0)
    got = [bool(chooser.choose(dice, 0.0)) for dice in range(8)]
    assert got == [True] * 5 + [False] * 3


def test_what_was_assigned_counts_until_it_can_be_in_the_table() -> None:
    chooser = TargetChooser()
    for now in (0.0, 0.5, 1.0, 1.5, 2.0):
        chooser.see([pod("a", 0, max_sessions=3)], leaving="", revision=None, now=now)
        chooser.choose(1, now)
    assert chooser.statistics().assigned == 3
    assert not chooser.choose(1, 2.1)
    chooser.see([pod("a", 3, max_sessions=10)], leaving="", revision=None, now=3.0)
    chooser.see([pod("a", 3, max_sessions=10)], leaving="", revision=None, now=6.0)
    assert chooser.statistics().assigned == 0


def test_the_preferred_revision_is_taken_when_any_of_it_is_open() -> None:
    pods = [pod("a", revision="1"), pod("b", revision="2", sessions=500)]
    assert set(chosen(pods, 50, revision="2")) == {"b"}
    assert set(chosen([pods[0]], 50, revision="2")) == {"a"}


def test_a_new_pod_is_filled_slowly_and_never_not_at_all() -> None:
    pods = [pod(name, 100) for name in "abc"]
    first = chosen([*pods, pod("new", 100, started_at=0.0)], 1000, now=0.0)["new"]
    later = chosen([*pods, pod("new", 100, started_at=0.0)], 1000, now=30.0)["new"]
    assert 0 < first < 200 <= later


def test_alternates_are_other_pods_in_other_zones_on_other_nodes() -> None:
    pods = [pod(f"p{i}", 10, zone=f"z{i % 3}", node=f"n{i}") for i in range(9)]
    chooser = TargetChooser()
    chooser.see(pods, leaving="", revision=None, now=0.0)
    zones = {one.pod_id: one.zone for one in pods}
    for dice in range(100):
        targets = chooser.choose(dice, 0.0)
        assert len({zones[target.pod_id] for target in targets}) == 3
    same_zone = [pod("a", node="n1"), pod("b", node="n1"), pod("c", node="n2")]
    chooser.see(same_zone, leaving="", revision=None, now=0.0)
    for dice in range(100):
        first, second, third = (target.pod_id for target in chooser.choose(dice, 0.0))
        assert {first, second, third} == {"a", "b", "c"}
        assert "c" in (first, second), "the second choice is on the other node"


def test_shares_hold_for_ten_seconds_and_are_kept_exactly() -> None:
    chooser = TargetChooser()
    chooser.see([pod("own")], leaving="", revision=None, now=0.0)
    dice = random.Random(2)
    got: Counter[str] = Counter()
    for second in range(50):  # renewed each second, and few moves in between
        chooser.shares([("a", "a:1", 3.0), ("b", "b:1", 1.0)], float(second))
        got.update(chooser.choose(dice.getrandbits(64), float(second))[0].pod_id for _ in range(2))
    assert got == {"a": 75, "b": 25}
    assert chooser.choose(1, 58.9)[0].pod_id in "ab"
    assert chooser.choose(1, 59.0)[0].pod_id == "own"
    chooser.shares([], 60.0)
    assert chooser.choose(1, 60.0) == [], "an order without targets: nowhere yet"
    chooser.forget_shares()
    assert chooser.choose(1, 60.0)[0].pod_id == "own"


def test_nobody_open_means_no_target() -> None:
    chooser = TargetChooser()
    assert chooser.choose(1, 0.0) == []
    chooser.see([pod("a", is_open=False)], leaving="", revision=None, now=0.0)
    assert chooser.choose(1, 0.0) == []


def test_room_is_what_the_open_pods_still_take() -> None:
    pods = [pod("a", 30, max_sessions=100), pod("b", 90, max_sessions=100)]
    assert room(pods) == 80
    assert room(pods, leaving=("a",)) == 10
    assert room([*pods, pod("c")]) == math.inf
    assert room([]) == 0


@pytest.mark.parametrize(
    ("pods", "youngest"),
    [
        ([("1", 0.0), ("1", 5.0), ("2", 90.0)], "2"),
        ([("1", 0.0), ("1", 95.0), ("2", 90.0)], "2"),  # an old one was started again
        ([("1", 0.0)], "1"),
        ([], None),
    ],
)
def test_the_youngest_revision_is_the_one_that_began_last(
    pods: list[tuple[str, float]], youngest: str | None
) -> None:
    candidates = [
        pod(f"p{i}", revision=revision, started_at=at) for i, (revision, at) in enumerate(pods)
    ]
    assert youngest_revision(candidates) == youngest
