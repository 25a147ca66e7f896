"""What every Watchers and every LastSeenStore promise, on memory and on the real ones."""

from __future__ import annotations

from typing import Any

import pytest

from services.logic.adapters.last_seen_store_mongo import MongoLastSeenStore
from services.logic.adapters.watchers_redis import RedisWatchers
from services.logic.signal_ports import LastSeenStore, Watchers
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import MongoSettings, RedisSettings
from whimbrel.runtime.stores import open_mongo
from whimbrel.testing.memory_stores.presence_stores import MemoryLastSeenStore, MemoryWatchers

NOW = 1_800_000_000_000


@pytest.fixture(params=["memory", "redis"])
async def watchers(request: pytest.FixtureRequest, open_empty_redis: Any) -> Watchers:
    if request.param == "memory":
        return MemoryWatchers()
    return RedisWatchers(await open_empty_redis())


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def last_seen(request: pytest.FixtureRequest, open_database: Any) -> LastSeenStore:
    if request.param == "memory":
        return MemoryLastSeenStore()
    return MongoLastSeenStore(await open_database(request.param))


async def test_pods_that_watch_are_found_by_user(watchers: Watchers) -> None:
    await watchers.watch("access-0", ["bob", "carol"], now_ms=NOW, seconds=90)
    await watchers.watch("access-1", ["bob"], now_ms=NOW, seconds=90)
    await watchers.watch("access-1", [], now_ms=NOW, seconds=90)
    found = await watchers.find(["bob", "carol", "dave"], now_ms=NOW + 1)
    assert {user: sorted(pods) for user, pods in found.items()} == {
        "bob": ["access-0", "access-1"],
        "carol": ["access-0"],
    }
    assert await watchers.find([], now_ms=NOW) == {}


async def test_a_wish_ends_unless_it_is_repeated(watchers: Watchers) -> None:
    await watchers.watch("access-0", ["bob"], now_ms=NOW, seconds=90)
    await watchers.watch("access-1", ["bob"], now_ms=NOW, seconds=90)
    await watchers.watch("access-1", ["bob"], now_ms=NOW + 30_000, seconds=90)
    assert await watchers.find(["bob"], now_ms=NOW + 90_000) == {"bob": ["access-1"]}
    assert await watchers.find(["bob"], now_ms=NOW + 120_000) == {}


async def test_a_moment_never_goes_back(last_seen: LastSeenStore) -> None:
    await last_seen.raise_all({"bob": NOW, "carol": NOW + 5})
    await last_seen.raise_all({"bob": NOW - 1})
    await last_seen.raise_all({"carol": NOW + 9})
    await last_seen.raise_all({})
    assert await last_seen.find(["bob", "carol", "dave"]) == {"bob": NOW, "carol": NOW + 9}
    assert await last_seen.find([]) == {}


async def test_stores_that_are_away_are_unavailable() -> None:
    nowhere = RedisSettings(url="redis://127.0.0.1:1", timeout_seconds=0.5)
    mongo = MongoSettings(url="mongodb://127.0.0.1:1/?replicaSet=rs", timeout_seconds=0.2)
    async with open_redis(nowhere) as redis, open_mongo(mongo) as database:
        for operation in (
            RedisWatchers(redis).watch("access-0", ["bob"], now_ms=NOW, seconds=90),
            RedisWatchers(redis).find(["bob"], now_ms=NOW),
            MongoLastSeenStore(database).raise_all({"bob": NOW}),
            MongoLastSeenStore(database).find(["bob"]),
        ):
            with pytest.raises(WhimbrelError) as raised:
                await operation
            assert raised.value.code is ErrorCode.UNAVAILABLE
