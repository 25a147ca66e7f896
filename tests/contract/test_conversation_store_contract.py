"""What every ConversationStore promises, on memory and on MongoDB with both drivers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.logic.adapters.conversation_store_mongo import MongoConversationStore
from services.logic.ports import ConversationStore
from whimbrel.testing.memory_stores.conversation_store import MemoryConversationStore

TEAM = "g:team"


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def conversations(request: pytest.FixtureRequest, open_database: Any) -> ConversationStore:
    if request.param == "memory":
        return MemoryConversationStore()
    store = MongoConversationStore(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


async def test_members_come_owner_first_in_the_order_of_joining(
    conversations: ConversationStore,
) -> None:
    await conversations.create_group(TEAM, "zoe", ["bob", "alice"], "Team", 1)
    assert await conversations.participants([TEAM, TEAM]) == {TEAM: ("zoe", "bob", "alice")}


async def test_a_group_that_does_not_exist_is_absent(conversations: ConversationStore) -> None:
    await conversations.create_group(TEAM, "alice", ["bob"], "Team", 1)
    assert (await conversations.participants(["g:other", TEAM])).keys() == {TEAM}
    assert await conversations.participants([]) == {}


async def test_creating_what_exists_does_nothing(conversations: ConversationStore) -> None:
    await conversations.create_group(TEAM, "alice", ["bob"], "Team", 1)
    await conversations.create_group(TEAM, "alice", ["bob"], "Team", 2)
    await conversations.create_group(TEAM, "alice", ["carol", "bob"], "Other", 3)
    await conversations.create_group(TEAM, "mallory", [], "Mine", 4)
    assert await conversations.participants([TEAM]) == {TEAM: ("alice", "bob")}


async def test_of_two_creations_at_once_one_is_the_group(conversations: ConversationStore) -> None:
    lists = [[f"user-{number}", "bob"] for number in range(5)]
    await asyncio.gather(
        *(conversations.create_group(TEAM, "alice", members, "Team", 1) for members in lists)
    )
    found = await conversations.participants([TEAM])
    assert found[TEAM] in {("alice", *members) for members in lists}


async def test_the_owner_is_a_member_once(conversations: ConversationStore) -> None:
    await conversations.create_group(TEAM, "alice", ["bob", "alice"], "Team", 1)
    assert await conversations.participants([TEAM]) == {TEAM: ("alice", "bob")}


async def test_many_and_large_groups_are_read_whole(conversations: ConversationStore) -> None:
    groups = {f"g:{number}": (f"owner-{number}", "bob") for number in range(45)}
    for name, (owner, *members) in groups.items():
        await conversations.create_group(name, owner, members, "", 1)
    large = tuple(f"user-{number:04}" for number in range(1000, 0, -1))
    await conversations.create_group(TEAM, large[0], large[1:], "Team", 1)
    expected = {**groups, TEAM: large}
    assert await conversations.participants(expected) == expected
    assert await conversations.participants(expected) == expected


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_a_creation_that_died_half_way_leaves_no_members(
    open_database: Any, driver: str
) -> None:
    database = await open_database(driver)
    store = MongoConversationStore(database)
    await store.prepare()
    await store.create_group(TEAM, "alice", ["carol"], "Team", 1)
    await database["conversations"].delete_one({"_id": TEAM})  # died before its last write
    await store.create_group(TEAM, "alice", ["bob"], "Team", 2)
    assert await store.participants([TEAM]) == {TEAM: ("alice", "bob")}


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_members_are_read_again_only_when_the_version_rose(
    open_database: Any, driver: str
) -> None:
    database = await open_database(driver)
    store = MongoConversationStore(database)
    await store.prepare()
    await store.create_group(TEAM, "alice", ["bob", "carol"], "Team", 1)
    await store.participants([TEAM])
    await database["members"].delete_one({"conversation": TEAM, "user": "carol"})
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
    await database["members"].delete_many({})
    # The two newest are remembered; the oldest was forgotten for them.
    pair = ("alice", "bob")
    assert await store.participants(names[1:]) == {"g:2": pair, "g:3": pair}
    assert await store.participants(names[:1]) == {"g:1": ()}
