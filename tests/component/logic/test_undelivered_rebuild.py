"""Read marks, and the undelivered index after Redis was lost, on the real stores."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable

import pytest
from redis.asyncio import Redis

from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.read_store_mongo import PULLS, MongoReadStore
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.adapters.undelivered_index_redis import RedisUndeliveredIndex
from services.logic.adapters.unread_index_redis import RedisUnreadIndex
from services.logic.domain.model import DeviceCursor, TimelineEntry, UndeliveredEntry
from services.logic.usecases.mark_read import MarkRead
from services.logic.usecases.rebuild_undelivered import RebuildUndelivered
from tests.stores import own_stores
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.runtime.stores import Database

CHAT = "d:alice:bob"
GROUP = "g:team"


class World:
    """The stores, and a timeline of Bob: some of it in a group, one his own, one a void."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self.redis = redis
        self.cursors = MongoCursorStore(database)
        self.reads = MongoReadStore(database)
        self.pulls = MongoReadStore(database, PULLS)
        self.unread = RedisUnreadIndex(redis)
        self.timelines = MongoTimelineStore(database)
        self.highest = MongoCursorStore(database)
        self.index = RedisUndeliveredIndex(redis)
        self.rebuild = self.rebuild_with(self.highest)

    def rebuild_with(self, cursors: MongoCursorStore) -> RebuildUndelivered:
        return RebuildUndelivered(self.timelines, cursors, self.reads, self.pulls, self.index)

    def mark_read(self, index: RedisUndeliveredIndex | None = None) -> MarkRead:
        return MarkRead(
            self.reads,
            self.timelines,
            index or self.index,
            self.unread,
            clock=time.monotonic,
            deadline_seconds=0.3,
        )

    async def fill(self) -> None:
        entries = [
            TimelineEntry("bob", 1, 1001, CHAT, "alice"),
            TimelineEntry("bob", 2, 1002, GROUP, "alice"),
            TimelineEntry("bob", 3, 1003, CHAT, "bob"),
            TimelineEntry("bob", 4),
            TimelineEntry("bob", 5, 1005, CHAT, "alice"),
            TimelineEntry("bob", 6, 1006, GROUP, "carol"),
        ]
        assert await self.timelines.insert(entries) == []


@pytest.fixture
async def world(redis_url: str, mongo_url: str) -> AsyncIterator[World]:
    async with own_stores(redis_url, mongo_url) as (redis, database):
        world = World(redis, database)
        for store in (world.cursors, world.reads, world.pulls, world.timelines):
            await store.prepare()
        await world.fill()
        yield world


async def test_a_lost_index_is_rebuilt_from_entries_above_cursors_and_read_marks(
    world: World,
) -> None:
    await world.cursors.raise_to([DeviceCursor("bob", "pc", 0), DeviceCursor("bob", "phone", 1)])
    await world.reads.raise_to("bob", GROUP, 2)
    assert await world.rebuild.rebuild_lost(["bob", "alice"]) == 2
    assert await world.index.find("bob") == {CHAT: [1005], GROUP: [1006]}
    assert await world.index.find("alice") == {}
    assert await world.rebuild.rebuild_lost(["bob", "alice"]) == 0
    await world.redis.flushall()
    assert await world.rebuild.rebuild_lost(["bob"]) == 1
    assert await world.index.find("bob") == {CHAT: [1005], GROUP: [1006]}


async def test_a_rebuild_removes_what_an_old_redis_still_holds(world: World) -> None:
    await world.index.add([UndeliveredEntry("bob", CHAT, 1001, 1)])
    await world.cursors.raise_to([DeviceCursor("bob", "phone", 5)])
    assert await world.rebuild.rebuild("bob")
    assert await world.index.find("bob") == {GROUP: [1006]}


async def test_an_entry_acknowledged_after_the_rebuild_began_does_not_come_back(
    world: World,
) -> None:
    class AcknowledgedMeanwhile(MongoCursorStore):
        def __init__(self) -> None:
            pass

        async def highest(self, users: Iterable[str]) -> dict[str, int]:
            found = await world.highest.highest(users)
            await world.index.acknowledged({"bob": 5})
            return found

    rebuild = world.rebuild_with(AcknowledgedMeanwhile())
    assert await rebuild.rebuild("bob")
    assert await world.index.find("bob") == {GROUP: [1006]}


async def test_a_rebuild_that_lost_redis_on_the_way_is_done_again(world: World) -> None:
    class FlushedMeanwhile(MongoCursorStore):
        def __init__(self) -> None:
            pass

        async def highest(self, users: Iterable[str]) -> dict[str, int]:
            await world.redis.flushall()
            return {}

    rebuild = world.rebuild_with(FlushedMeanwhile())
    assert not await rebuild.rebuild("bob")
    assert await world.rebuild.rebuild_lost(["bob"]) == 1
    assert await world.index.find("bob") == {CHAT: [1001, 1005], GROUP: [1002, 1006]}


async def test_a_long_timeline_is_rebuilt_whole(world: World) -> None:
    await world.timelines.insert(
        [TimelineEntry("bob", seq, 1000 + seq, CHAT, "alice") for seq in range(7, 1207)]
    )
    await world.cursors.raise_to([DeviceCursor("bob", "phone", 6)])
    assert await world.rebuild.rebuild("bob")
    assert await world.index.find("bob") == {CHAT: list(range(1007, 2207))}


async def test_a_read_mark_is_stored_and_removes_from_the_index(world: World) -> None:
    await world.rebuild.rebuild("bob")
    await world.mark_read().mark("bob", CHAT, 1)
    await world.mark_read().mark("bob", CHAT, 1)
    assert await world.reads.find("bob") == {CHAT: 1}
    assert await world.index.find("bob") == {CHAT: [1005], GROUP: [1002, 1006]}


async def test_a_read_mark_is_stored_before_the_index_is_touched(world: World) -> None:
    async with open_redis(RedisSettings(url="redis://127.0.0.1:1")) as away:
        with pytest.raises(WhimbrelError) as raised:
            await world.mark_read(RedisUndeliveredIndex(away)).mark("bob", CHAT, 5)
    assert raised.value.code is ErrorCode.UNAVAILABLE
    assert await world.reads.find("bob") == {CHAT: 5}


@pytest.mark.parametrize(
    ("seq", "code"), [(0, ErrorCode.INVALID_ARGUMENT), (7, ErrorCode.SEQ_AHEAD)]
)
async def test_a_read_mark_outside_the_timeline_is_refused(
    world: World, seq: int, code: ErrorCode
) -> None:
    with pytest.raises(WhimbrelError) as raised:
        await world.mark_read().mark("bob", CHAT, seq)
    assert raised.value.code is code
    assert await world.reads.find("bob") == {}
