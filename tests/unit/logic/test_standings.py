"""A user is online with any device attached, and offline after the grace without one."""

from __future__ import annotations

import json
from random import Random

import pytest

from services.logic.domain.standings import (
    LOOK_MS,
    NEVER,
    Standing,
    look_at,
    presence_event,
    told,
)

GRACE_MS = 30_000


class Told:
    """One user, whom a single pod looks at; `now_ms` is moved by the test."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.standing: Standing | None = None
        self.turns: list[tuple[str, int]] = []

    def look(self, *, is_attached: bool, after_ms: int = 0) -> None:
        self.now_ms += after_ms
        self.standing = look_at(
            "alice", self.standing, is_attached=is_attached, now_ms=self.now_ms, grace_ms=GRACE_MS
        )
        if self.standing is not None and not self.standing.is_told:
            row = json.loads(presence_event(self.standing).content)
            self.turns.append((row["type"], row["at_ms"]))
            self.standing = told(self.standing, now_ms=self.now_ms)


def online() -> Told:
    user = Told()
    user.look(is_attached=True)
    assert user.turns == [("user.online", 1_000_000)]
    return user


def test_somebody_who_was_never_here_is_not_said_to_have_gone() -> None:
    user = Told()
    user.look(is_attached=False)
    assert (user.standing, user.turns) == (None, [])


def test_a_second_device_changes_nothing() -> None:
    user = online()
    user.look(is_attached=True, after_ms=10)
    before = user.standing
    user.look(is_attached=True, after_ms=10)
    assert user.standing is before, "nothing to store"
    assert len(user.turns) == 1


@pytest.mark.parametrize("gap_ms", [0, 1, GRACE_MS - 1])
def test_a_gap_within_the_grace_is_neither(gap_ms: int) -> None:
    user = online()
    for _ in range(5):
        user.look(is_attached=False, after_ms=1000)
        user.look(is_attached=False, after_ms=gap_ms)
        user.look(is_attached=True)
    assert len(user.turns) == 1


def test_gone_is_said_after_the_grace_with_the_moment_of_going() -> None:
    user = online()
    user.look(is_attached=False, after_ms=5000)
    assert user.standing is not None
    assert user.standing.look_ms == user.now_ms + GRACE_MS
    user.look(is_attached=False, after_ms=GRACE_MS)
    assert user.turns[1:] == [("user.offline", 1_005_000)]
    user.look(is_attached=False)
    assert user.standing.look_ms == NEVER
    user.look(is_attached=True, after_ms=1)
    assert user.turns[2:] == [("user.online", user.now_ms)]


def test_who_is_online_is_looked_at_again_though_nothing_is_heard() -> None:
    user = online()
    user.look(is_attached=True)
    assert user.standing is not None
    assert user.standing.look_ms == user.now_ms + LOOK_MS


def test_a_turn_that_was_not_told_is_not_overtaken_by_the_next() -> None:
    untold = look_at("alice", None, is_attached=True, now_ms=5, grace_ms=0)
    assert untold is not None
    again = look_at("alice", untold, is_attached=False, now_ms=50, grace_ms=0)
    assert again is untold
    assert presence_event(again) == presence_event(untold)


def test_turns_rise_also_when_the_clocks_of_two_pods_disagree() -> None:
    user = online()
    user.look(is_attached=False, after_ms=-500_000)
    user.look(is_attached=False, after_ms=GRACE_MS)
    user.look(is_attached=True, after_ms=-500_000)
    moments = [at_ms for _, at_ms in user.turns]
    assert moments == sorted(set(moments))
    assert len(moments) == 3


@pytest.mark.parametrize("seed", range(50))
def test_online_and_offline_alternate_and_nobody_is_offline_for_less_than_the_grace(
    seed: int,
) -> None:
    dice, user = Random(seed), Told()
    for _ in range(500):
        user.look(is_attached=dice.random() < 0.4, after_ms=dice.randrange(GRACE_MS))
    kinds = [kind for kind, _ in user.turns]
    assert len(kinds) > 10
    assert all(kind == f"user.{'off' if n % 2 else 'on'}line" for n, kind in enumerate(kinds))
    moments = [at_ms for _, at_ms in user.turns]
    gaps = [back - gone for gone, back in zip(moments[1::2], moments[2::2], strict=False)]
    assert min(gaps) >= GRACE_MS
