"""Who may change what in a group, and what no order of changes can break."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from services.logic.domain import group_changes as changes
from services.logic.domain.group_changes import Change
from services.logic.domain.groups import MAX_MEMBERS, MAX_WAITING, Group, Joining, Role, founded
from whimbrel.core.errors import WhimbrelError

NOW = 1_000
TEAM = founded("g:team", ("olga", "adam", "mia", "max"), "Team", 0)
TEAM = changes.set_role(TEAM, "olga", "adam", Role.ADMIN, NOW).group


def code_of(call: Callable[[], Change]) -> str:
    with pytest.raises(WhimbrelError) as raised:
        call()
    return raised.value.code.name


def users(group: Group) -> list[str]:
    return [one.user for one in group.members]


@pytest.mark.parametrize(
    "change",
    [
        lambda by: changes.remove(TEAM, by, "max", NOW),
        lambda by: changes.mute(TEAM, by, "max", NOW + 5, NOW),
        lambda by: changes.mute_all(TEAM, by, NOW + 5, NOW),
        lambda by: changes.describe(TEAM, by, NOW, name="New"),
        lambda by: changes.make_link(TEAM, by, "s", NOW),
        lambda by: changes.let_in(changes.ask(TEAM, "eve", NOW).group, by, "eve", NOW),
    ],
)
def test_admins_and_the_owner_may_and_members_may_not(change: Callable[[str], Change]) -> None:
    for by in ("olga", "adam"):
        assert change(by).group != TEAM
    assert code_of(lambda: change("mia")) == "PERMISSION_DENIED"
    assert code_of(lambda: change("eve")) == "NOT_A_MEMBER"


@pytest.mark.parametrize(
    "change",
    [
        lambda by: changes.set_role(TEAM, by, "mia", Role.ADMIN, NOW),
        lambda by: changes.transfer(TEAM, by, "mia", NOW),
        lambda by: changes.dissolve(TEAM, by, NOW),
    ],
)
def test_only_the_owner_may(change: Callable[[str], Change]) -> None:
    assert change("olga").group != TEAM
    for by in ("adam", "mia"):
        assert code_of(partial(change, by)) == "PERMISSION_DENIED"


@pytest.mark.parametrize("target", ["olga", "adam"])
def test_nobody_acts_on_those_of_the_same_or_a_higher_role(target: str) -> None:
    assert code_of(lambda: changes.remove(TEAM, "adam", target, NOW)) == "PERMISSION_DENIED"
    assert code_of(lambda: changes.mute(TEAM, "adam", target, 9999, NOW)) == "PERMISSION_DENIED"


def test_members_invite_unless_the_group_forbids_it() -> None:
    change = changes.invite(TEAM, "mia", ["eve", "max", "eve"], NOW)
    assert users(change.group)[-1] == "eve"
    assert change.said == {"type": "invited", "users": ["eve"]}
    closed = changes.describe(TEAM, "olga", NOW, members_may_invite=False).group
    assert code_of(lambda: changes.invite(closed, "mia", ["eve"], NOW)) == "PERMISSION_DENIED"
    assert changes.invite(TEAM, "mia", ["max"], NOW).group is TEAM


def test_a_group_takes_no_more_than_its_limit() -> None:
    full = founded("g:full", tuple(f"u{n}" for n in range(MAX_MEMBERS)), "", 0)
    for change in (
        lambda: changes.invite(full, "u0", ["eve"], NOW),
        lambda: changes.ask(full, "eve", NOW),
    ):
        assert code_of(change) == "GROUP_FULL"


def test_a_group_has_a_bounded_number_of_users_who_wait() -> None:
    group = TEAM
    for number in range(MAX_WAITING):
        group = changes.ask(group, f"w{number}", NOW).group
    assert changes.ask(group, "w0", NOW).group is group
    assert code_of(lambda: changes.ask(group, "eve", NOW)) == "OVERLOADED"


def test_a_link_lets_in_at_once_only_where_the_group_says_so() -> None:
    linked = changes.make_link(TEAM, "olga", "s3", NOW).group
    assert changes.join(linked, "eve", "s3", NOW).group.waiting == ("eve",)
    opened = changes.describe(linked, "olga", NOW, joining=Joining.LINK).group
    assert users(changes.join(opened, "eve", "s3", NOW).group)[-1] == "eve"
    assert code_of(lambda: changes.join(opened, "eve", "s4", NOW)) == "NOT_FOUND"
    ended = changes.make_link(opened, "olga", "", NOW).group
    assert code_of(lambda: changes.join(ended, "eve", "", NOW)) == "NOT_FOUND"
    closed = changes.describe(TEAM, "olga", NOW, joining=Joining.CLOSED).group
    assert code_of(lambda: changes.ask(closed, "eve", NOW)) == "PERMISSION_DENIED"


def test_the_owner_leaves_only_after_a_transfer_and_stays_an_admin() -> None:
    assert code_of(lambda: changes.leave(TEAM, "olga", NOW)) == "CONFLICT"
    handed = changes.transfer(TEAM, "olga", "mia", NOW).group
    assert (handed.owner, handed.need("olga").role) == ("mia", Role.ADMIN)
    left = changes.leave(handed, "olga", NOW)
    assert (users(left.group), left.also) == (["adam", "mia", "max"], ("olga",))


def test_a_mute_ends_by_zero_and_is_told_once() -> None:
    muted = changes.mute(TEAM, "adam", "max", NOW + 5, NOW)
    assert muted.group.standing().muted_until_ms == {"max": NOW + 5}
    assert changes.mute(muted.group, "adam", "max", NOW + 5, NOW).group is muted.group
    assert changes.mute(muted.group, "adam", "max", 0, NOW).group.standing().muted_until_ms == {}
    assert changes.mute(muted.group, "adam", "max", NOW - 1, NOW).said == {
        "type": "muted",
        "user": "max",
        "until_ms": 0,
    }


def test_a_dissolved_group_is_told_to_all_and_takes_nobody() -> None:
    ended = changes.dissolve(TEAM, "olga", NOW)
    assert ended.also == ("olga", "adam", "mia", "max")
    for change in (
        lambda: changes.invite(ended.group, "olga", ["eve"], NOW),
        lambda: changes.ask(ended.group, "eve", NOW),
    ):
        assert code_of(change) == "UNKNOWN_CONVERSATION"


@pytest.mark.parametrize(
    "describe",
    [
        partial(changes.describe, name="x" * 5000),
        partial(changes.describe, announcement="x" * 5000),
    ],
)
def test_what_is_too_long_is_refused(describe: Callable[..., Change]) -> None:
    assert code_of(lambda: describe(TEAM, "olga", NOW)) == "INVALID_ARGUMENT"


PEOPLE = [f"u{number}" for number in range(8)]


def random_change(random: Random, group: Group, by: str, now: int) -> Change:
    user = random.choice(PEOPLE)
    moves: list[Callable[[], Change]] = [
        lambda: changes.invite(group, by, random.sample(PEOPLE, 2), now),
        lambda: changes.ask(group, by, now),
        lambda: changes.let_in(group, by, user, now),
        lambda: changes.turn_away(group, by, user, now),
        lambda: changes.join(group, by, group.link or "x", now),
        lambda: changes.make_link(group, by, random.choice(("", "s")), now),
        lambda: changes.leave(group, by, now),
        lambda: changes.remove(group, by, user, now),
        lambda: changes.set_role(group, by, user, random.choice(list(Role)), now),
        lambda: changes.transfer(group, by, user, now),
        lambda: changes.mute(group, by, user, now + random.randrange(-5, 50), now),
        lambda: changes.mute_all(group, by, now + random.randrange(-5, 50), now),
        lambda: changes.describe(group, by, now, joining=random.choice(list(Joining))),
    ]
    return random.choice(moves)()


@pytest.mark.parametrize("seed", range(150))
def test_whatever_is_tried_a_group_has_one_owner_and_no_stranger_changes_it(seed: int) -> None:
    random = Random(seed)
    group = founded("g:x", tuple(PEOPLE[:4]), "", 0)
    for now in range(200):
        by = random.choice(PEOPLE)
        before = group.member(by)
        try:
            change = random_change(random, group, by, now)
        except WhimbrelError:
            continue
        after = change.group
        names = users(after)
        assert len(set(names)) == len(names)
        assert [one.role for one in after.members].count(Role.OWNER) == 1
        assert not set(names) & set(after.waiting)
        gone = set(users(group)) - set(names)
        assert gone == set(change.also), "who goes is told"
        if before is None and after is not group:
            # A stranger changes nothing but their own coming, and their own waiting.
            assert set(names) - set(users(group)) <= {by}
            assert set(after.waiting) ^ set(group.waiting) <= {by}
            assert gone == set()
        for user in gone - {by}:
            assert before is not None
            assert group.need(user).role < before.role
        group = after
