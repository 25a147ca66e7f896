"""What every store of groups promises, on memory and on MongoDB with both drivers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Protocol

import pytest

from services.logic.adapters.conversation_store_mongo import MongoConversationStore
from services.logic.domain.groups import Joining, Member, Notice, Role
from services.logic.ports import ConversationStore
from services.logic.social_ports import GroupStore
from whimbrel.testing.memory_stores.conversation_store import MemoryConversationStore

TEAM = "g:team"


class Store(ConversationStore, GroupStore, Protocol):
    """Both at once, as the stores are."""


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def conversations(request: pytest.FixtureRequest, open_database: Any) -> Store:
    if request.param == "memory":
        return MemoryConversationStore()
    store = MongoConversationStore(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


async def test_members_come_owner_first_in_the_order_of_joining(
    conversations: Store,
) -> None:
    await conversations.create_group(TEAM, "zoe", ["bob", "alice"], "Team", 1)
    assert await conversations.participants([TEAM, TEAM]) == {TEAM: ("zoe", "bob", "alice")}


async def test_a_group_that_does_not_exist_is_absent(conversations: Store) -> None:
    await conversations.create_group(TEAM, "alice", ["bob"], "Team", 1)
    assert (await conversations.participants(["g:other", TEAM])).keys() == {TEAM}
    assert await conversations.participants([]) == {}


async def test_creating_what_exists_does_nothing(conversations: Store) -> None:
    await conversations.create_group(TEAM, "alice", ["bob"], "Team", 1)
    await conversations.create_group(TEAM, "alice", ["bob"], "Team", 2)
    await conversations.create_group(TEAM, "alice", ["carol", "bob"], "Other", 3)
    await conversations.create_group(TEAM, "mallory", [], "Mine", 4)
    assert await conversations.participants([TEAM]) == {TEAM: ("alice", "bob")}


async def test_of_two_creations_at_once_one_is_the_group(conversations: Store) -> None:
    lists = [[f"user-{number}", "bob"] for number in range(5)]
    await asyncio.gather(
        *(conversations.create_group(TEAM, "alice", members, "Team", 1) for members in lists)
    )
    found = await conversations.participants([TEAM])
    assert found[TEAM] in {("alice", *members) for members in lists}


async def test_the_owner_is_a_member_once(conversations: Store) -> None:
    await conversations.create_group(TEAM, "alice", ["bob", "alice"], "Team", 1)
    assert await conversations.participants([TEAM]) == {TEAM: ("alice", "bob")}


async def test_many_and_large_groups_are_read_whole(conversations: Store) -> None:
    groups = {f"g:{number}": (f"owner-{number}", "bob") for number in range(45)}
    for name, (owner, *members) in groups.items():
        await conversations.create_group(name, owner, members, "", 1)
    large = tuple(f"user-{number:04}" for number in range(1000, 0, -1))
    await conversations.create_group(TEAM, large[0], large[1:], "Team", 1)
    expected = {**groups, TEAM: large}
    assert await conversations.participants(expected) == expected
    assert await conversations.participants(expected) == expected


async def test_a_group_is_loaded_as_it_was_replaced(conversations: Store) -> None:
    await conversations.create_group(TEAM, "alice", ["bob"], "Team", 7)
    group = await conversations.load(TEAM)
    assert group is not None
    assert (group.name, group.created_ms, group.version, group.owner) == ("Team", 7, 1, "alice")
    changed = replace(
        group,
        members=(*group.members, Member("carol", Role.ADMIN, 8, 9)),
        announcement="hear",
        all_muted_until_ms=10,
        joining=Joining.LINK,
        members_may_invite=False,
        link="secret",
        waiting=("dave",),
        handled=("alice/r1",),
        notices=(Notice("alice/r1", "alice", b"{}", ("erin",), 11),),
    )
    assert await conversations.replace(changed)
    assert await conversations.load(TEAM) == replace(changed, version=2)
    assert await conversations.load("g:other") is None


async def test_of_two_changes_at_once_one_is_refused(conversations: Store) -> None:
    await conversations.create_group(TEAM, "alice", ["bob"], "Team", 1)
    group = await conversations.load(TEAM)
    assert group is not None
    done = await asyncio.gather(
        *(conversations.replace(replace(group, name=f"Team {number}")) for number in range(5))
    )
    assert sorted(done) == [False, False, False, False, True]


async def test_standings_say_who_may_speak(conversations: Store) -> None:
    await conversations.create_group(TEAM, "alice", ["bob", "carol"], "Team", 1)
    group = await conversations.load(TEAM)
    assert group is not None
    assert (await conversations.standings([TEAM]))[TEAM].talkers == frozenset()
    muted = tuple(
        one._replace(muted_until_ms=50 if one.user == "bob" else 0) for one in group.members
    )
    assert await conversations.replace(replace(group, members=muted, all_muted_until_ms=60))
    standing = (await conversations.standings([TEAM]))[TEAM]
    assert standing.members == ("alice", "bob", "carol")
    assert (dict(standing.muted_until_ms), standing.all_muted_until_ms) == ({"bob": 50}, 60)
    assert standing.talkers == {"alice"}


async def test_a_group_that_was_dissolved_is_absent(conversations: Store) -> None:
    await conversations.create_group(TEAM, "alice", ["bob"], "Team", 1)
    group = await conversations.load(TEAM)
    assert group is not None
    assert await conversations.replace(replace(group, members=()))
    assert await conversations.participants([TEAM]) == {}


async def test_what_is_still_to_be_said_is_found_when_it_is_old(conversations: Store) -> None:
    for name, at_ms in (("g:1", 5), ("g:2", 6), ("g:3", 7)):
        await conversations.create_group(name, "alice", ["bob"], "", 1)
        group = await conversations.load(name)
        assert group is not None
        notice = Notice("alice/r1", "alice", b"{}", (), at_ms)
        assert await conversations.replace(replace(group, notices=(notice,)))
    await conversations.create_group("g:4", "alice", ["bob"], "", 1)
    assert sorted(await conversations.unsaid(7, 10)) == ["g:1", "g:2"]
    assert len(await conversations.unsaid(100, 2)) == 2


async def test_the_groups_of_a_user_come_in_pages(conversations: Store) -> None:
    for number in range(5):
        members = ["bob"] if number % 2 else ["carol"]
        await conversations.create_group(f"g:{number}", "alice", members, "", 1)
    first = await conversations.of_user("carol", "", 2)
    assert [group.conversation for group in first] == ["g:0", "g:2"]
    rest = await conversations.of_user("carol", "g:2", 2)
    assert [group.conversation for group in rest] == ["g:4"]


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_members_are_read_again_only_when_the_version_rose(
    open_database: Any, driver: str
) -> None:
    database = await open_database(driver)
    store = MongoConversationStore(database)
    await store.prepare()
    await store.create_group(TEAM, "alice", ["bob", "carol"], "Team", 1)
    await store.participants([TEAM])
    without_carol = {"$pull": {"members": {"user": "carol"}}}
    await database["conversations"].update_one({"_id": TEAM}, without_carol)
    assert await store.participants([TEAM]) == {TEAM: ("alice", "bob", "carol")}
    await database["conversations"].update_one({"_id": TEAM}, {"$inc": {"version": 1}})
    assert await store.participants([TEAM]) == {TEAM: ("alice", "bob")}


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_the_cache_is_bounded_by_its_members(open_database: Any, driver: str) -> None:
    database = await open_database(driver)
    store = MongoConversationStore(database, cached_members=5)
    await store.prepare()
    names = ["g:1", "g:2", "g:3"]
    for name in names:
        await store.create_group(name, "alice", ["bob"], "", 1)
        await store.participants([name])
    await database["conversations"].update_many({}, {"$pull": {"members": {"user": "bob"}}})
    # The two newest are remembered; the oldest was forgotten for them.
    pair = ("alice", "bob")
    assert await store.participants(names[1:]) == {"g:2": pair, "g:3": pair}
    assert await store.participants(names[:1]) == {"g:1": ("alice",)}


async def test_two_share_a_group_while_both_are_in_it(conversations: Store) -> None:
    await conversations.create_group(TEAM, "alice", ["bob", "carol"], "Team", 1)
    await conversations.create_group("g:other", "dora", ["carol"], "Other", 1)
    assert await conversations.share_group("bob", "carol")
    assert not await conversations.share_group("bob", "dora")
    group = await conversations.load(TEAM)
    assert group is not None
    without = replace(group, members=tuple(one for one in group.members if one.user != "bob"))
    assert await conversations.replace(without)
    assert not await conversations.share_group("bob", "carol")
