"""What two users are to each other, whatever both do and in whatever order."""

from __future__ import annotations

from random import Random

import pytest

from services.logic.domain.people import (
    AS_DEPLOYED,
    STRANGERS,
    Audience,
    Friendship,
    Privacy,
    Relation,
    accepted,
    asked,
    blocked,
    declined,
    may_see_presence,
    pair_of,
    removed,
    unblocked,
)
from whimbrel.core.errors import ErrorCode, WhimbrelError

ASKED = asked(STRANGERS, "alice", 5)
FRIENDS = accepted(ASKED, "bob", 6)


def test_a_request_that_is_accepted_makes_friends() -> None:
    assert (ASKED.friendship, ASKED.asked_by, ASKED.since_ms) == (Friendship.ASKED, "alice", 5)
    assert (FRIENDS.friendship, FRIENDS.asked_by, FRIENDS.since_ms) == (Friendship.FRIENDS, "", 6)


def test_two_who_ask_each_other_are_friends() -> None:
    assert asked(ASKED, "bob", 7).are_friends


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        (ASKED, asked(ASKED, "alice", 9)),
        (FRIENDS, accepted(FRIENDS, "bob", 9)),
        (FRIENDS, asked(FRIENDS, "alice", 9)),
        (STRANGERS, declined(STRANGERS, "bob", 9)),
        (STRANGERS, removed(STRANGERS, 9)),
        (blocked(FRIENDS, "bob", 9), blocked(blocked(FRIENDS, "bob", 9), "bob", 10)),
    ],
)
def test_doing_it_twice_changes_nothing(once: Relation, twice: Relation) -> None:
    assert once == twice


def test_nobody_accepts_their_own_request() -> None:
    with pytest.raises(WhimbrelError) as raised:
        accepted(ASKED, "alice", 9)
    assert raised.value.code is ErrorCode.NOT_FOUND


def test_a_block_ends_a_friendship_and_forbids_requests_until_both_have_lifted_theirs() -> None:
    both = blocked(blocked(FRIENDS, "alice", 9), "bob", 9)
    assert both.friendship is Friendship.NONE
    half = unblocked(both, "alice")
    with pytest.raises(WhimbrelError) as raised:
        asked(half, "alice", 9)
    assert raised.value.code is ErrorCode.BLOCKED
    assert asked(unblocked(half, "bob"), "alice", 9).friendship is Friendship.ASKED


def test_a_pair_is_the_same_from_both_sides_and_needs_two() -> None:
    assert pair_of("bob", "alice") == pair_of("alice", "bob") == ("alice", "bob")
    assert pair_of("bob", "alice").other("alice") == "bob"
    with pytest.raises(WhimbrelError):
        pair_of("bob", "bob")


def test_presence_is_seen_by_those_whom_the_user_lets_and_never_over_a_block() -> None:
    assert not may_see_presence(STRANGERS, AS_DEPLOYED)
    assert may_see_presence(FRIENDS, AS_DEPLOYED)
    assert may_see_presence(STRANGERS, Privacy(presence=Audience.EVERYBODY))
    assert not may_see_presence(FRIENDS, Privacy(presence=Audience.NOBODY))
    assert not may_see_presence(
        blocked(STRANGERS, "alice", 1), Privacy(presence=Audience.EVERYBODY)
    )


def random_step(random: Random, relation: Relation, caller: str, now: int) -> Relation:
    number = random.randrange(6)
    if number == 0:
        return removed(relation, now)
    if number == 1:
        return unblocked(relation, caller)
    step = (asked, accepted, declined, blocked)[number - 2]
    return step(relation, caller, now)


@pytest.mark.parametrize("seed", range(200))
def test_whatever_both_do_a_blocked_pair_has_no_friendship(seed: int) -> None:
    random = Random(seed)
    relation = STRANGERS
    for now in range(60):
        caller = random.choice(("alice", "bob"))
        try:
            relation = random_step(random, relation, caller, now)
        except WhimbrelError:
            continue
        assert not (relation.is_blocked and relation.friendship is not Friendship.NONE)
        assert bool(relation.asked_by) == (relation.friendship is Friendship.ASKED)
