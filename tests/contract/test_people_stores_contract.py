"""What the stores of relations, privacy, bans and risks promise, on memory and on MongoDB."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from services.logic.adapters.moderation_stores_mongo import MongoBanList, MongoRiskStore
from services.logic.adapters.privacy_store_mongo import MongoPrivacyStore
from services.logic.adapters.relation_store_mongo import MongoRelationStore
from services.logic.domain.people import (
    STRANGERS,
    Audience,
    Friendship,
    Pair,
    Privacy,
    Relation,
    asked,
    blocked,
)
from services.logic.domain.risk import Risk
from services.logic.moderation_ports import Ban, BanList, RiskStore
from services.logic.social_ports import PrivacyStore, RelationStore
from whimbrel.testing.memory_stores.facts import MemoryPrivacyStore, MemoryRelationStore
from whimbrel.testing.memory_stores.moderation import MemoryBanList, MemoryRiskStore

PAIR = Pair("alice", "bob")
NAME = "alice:bob"
KINDS = pytest.mark.parametrize("kind", ["memory", "pymongo", "motor"])


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def relations(request: pytest.FixtureRequest, open_database: Any) -> RelationStore:
    if request.param == "memory":
        return MemoryRelationStore()
    store = MongoRelationStore(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def privacy(request: pytest.FixtureRequest, open_database: Any) -> PrivacyStore:
    if request.param == "memory":
        return MemoryPrivacyStore()
    store = MongoPrivacyStore(await open_database(request.param))
    await store.prepare()
    return store


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def risks(request: pytest.FixtureRequest, open_database: Any) -> RiskStore:
    if request.param == "memory":
        return MemoryRiskStore()
    store = MongoRiskStore(await open_database(request.param))
    await store.prepare()
    return store


async def test_a_relation_is_found_as_it_was_replaced(relations: RelationStore) -> None:
    assert await relations.find([PAIR]) == {}
    assert await relations.find([]) == {}
    relation = blocked(asked(STRANGERS, "alice", 5), "bob", 6)
    assert await relations.replace(PAIR, relation)
    assert await relations.find([PAIR, Pair("a", "b")]) == {PAIR: replace(relation, version=1)}


async def test_of_two_changes_at_once_one_is_refused(relations: RelationStore) -> None:
    first = asked(STRANGERS, "alice", 1)
    done = await asyncio.gather(*(relations.replace(PAIR, first) for _ in range(5)))
    assert sorted(done) == [False, False, False, False, True]
    stored = (await relations.find([PAIR]))[PAIR]
    done = await asyncio.gather(*(relations.replace(PAIR, stored) for _ in range(5)))
    assert sorted(done) == [False, False, False, False, True]
    assert not await relations.replace(PAIR, replace(stored, version=7))


async def test_lists_are_of_one_state_and_come_in_pages(relations: RelationStore) -> None:
    for number in range(5):
        relation = Relation(Friendship.FRIENDS if number % 2 else Friendship.ASKED, since_ms=number)
        await relations.replace(Pair("alice", f"u{number}"), relation)
    await relations.replace(Pair("aaron", "alice"), Relation(Friendship.FRIENDS))
    await relations.replace(Pair("bob", "carol"), Relation(Friendship.FRIENDS))
    assert await relations.count("alice", Friendship.FRIENDS) == 3
    page = await relations.of("alice", Friendship.FRIENDS, "", 2)
    assert [pair.other("alice") for pair, _ in page] == ["aaron", "u1"]
    rest = await relations.of("alice", Friendship.FRIENDS, "alice:u1", 2)
    assert [pair.other("alice") for pair, _ in rest] == ["u3"]


async def test_blocks_are_listed_for_who_set_them(relations: RelationStore) -> None:
    await relations.replace(PAIR, blocked(STRANGERS, "bob", 0))
    await relations.replace(Pair("bob", "carol"), blocked(STRANGERS, "carol", 0))
    assert [pair for pair, _ in await relations.blocked_by("bob", "", 10)] == [PAIR]
    assert await relations.blocked_by("alice", "", 10) == []


async def test_changes_are_told_after_the_mark(relations: RelationStore) -> None:
    start = await relations.changed(None)
    assert start.names == []
    await relations.replace(PAIR, asked(STRANGERS, "alice", 1))
    first = await relations.changed(start.mark)
    assert NAME in first.names
    assert relations.key_of(NAME) == PAIR
    stored = (await relations.find([PAIR]))[PAIR]
    await relations.replace(PAIR, blocked(stored, "bob", 2))
    await relations.replace(Pair("carol", "dave"), asked(STRANGERS, "dave", 1))
    second = await relations.changed(first.mark)
    assert {NAME, "carol:dave"} <= set(second.names)
    assert second.is_complete


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_a_change_that_became_visible_late_is_told_all_the_same(
    open_database: Any, driver: str
) -> None:
    """Its time lies before the mark, by less than the overlap."""
    database = await open_database(driver)
    store = MongoRelationStore(database)
    await store.prepare()
    await store.replace(PAIR, asked(STRANGERS, "alice", 1))
    mark = (await store.changed(None)).mark
    await store.replace(Pair("carol", "dave"), asked(STRANGERS, "dave", 1))
    await database["relations"].update_one(
        {"_id": "carol:dave"},
        [{"$set": {"changed_at": {"$subtract": ["$changed_at", 8_000]}}}],
    )
    assert "carol:dave" in (await store.changed(mark)).names


async def test_privacy_is_found_as_it_was_put(privacy: PrivacyStore) -> None:
    mark = (await privacy.changed(None)).mark
    await privacy.put("bob", Privacy(strangers_may_write=False, presence=Audience.NOBODY))
    await privacy.put("eve", Privacy(presence=Audience.EVERYBODY))
    await privacy.put("eve", Privacy(strangers_may_write=True))
    assert await privacy.find(["bob", "eve", "ann"]) == {
        "bob": Privacy(False, Audience.NOBODY),
        "eve": Privacy(True, Audience.FRIENDS),
    }
    assert {"bob", "eve"} <= set((await privacy.changed(mark)).names)


async def test_risk_is_compared_and_set(risks: RiskStore) -> None:
    mark = (await risks.changed(None)).mark
    assert await risks.replace("bob", Risk(10.5, 7))
    assert not await risks.replace("bob", Risk(20.0, 8))
    assert await risks.find(["bob", "eve"]) == {"bob": Risk(10.5, 7, 1)}
    assert await risks.replace("bob", Risk(20.0, 8, 1))
    assert "bob" in (await risks.changed(mark)).names


@KINDS
async def test_a_ban_of_the_gateway_is_found_and_told(kind: str, open_database: Any) -> None:
    bans: BanList
    if kind == "memory":
        memory = MemoryBanList()
        bans = memory
        mark = (await bans.changed(None)).mark
        for user, until_ms in (("bob", 50), ("eve", None), ("ann", 0)):
            memory.ban(user, until_ms)
    else:
        database = await open_database(kind)
        store = MongoBanList(database)
        await store.prepare()
        bans = store
        mark = (await bans.changed(None)).mark
        for user, until_ms in (("bob", 50), ("eve", None), ("ann", 0)):
            row = {"_id": user, "until_ms": until_ms, "reason": "spam", "updated_ms": 1_000}
            await database["bans"].insert_one(row)
    assert await bans.find(["bob", "eve", "ann", "joe"]) == {
        "bob": Ban(50),
        "eve": Ban(None),
        "ann": Ban(0),
    }
    assert set((await bans.changed(mark)).names) == {"bob", "eve", "ann"}
