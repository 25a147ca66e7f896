"""The stores as `whimbrel.runtime.stores` opens them: both drivers keep the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

import pytest
from pymongo.errors import DuplicateKeyError, PyMongoError
from redis import exceptions

from tests.stores import own_database
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import MongoSettings, RedisSettings
from whimbrel.runtime.stores import Database, open_mongo


@pytest.fixture(params=["pymongo", "motor"])
async def database(request: pytest.FixtureRequest, mongo_url: str) -> AsyncIterator[Database]:
    async with own_database(mongo_url, driver=request.param) as opened:
        yield opened


async def test_writes_are_majority_and_journaled_and_reads_are_majority(
    database: Database,
) -> None:
    assert database.write_concern.document == {"w": "majority", "j": True}
    assert database.read_concern.document == {"level": "majority"}
    things = database["things"]
    await things.insert_one({"_id": 1, "name": "one"})
    assert await things.find_one({"_id": 1}) == {"_id": 1, "name": "one"}
    with pytest.raises(DuplicateKeyError):
        await things.insert_one({"_id": 1})
    assert [thing["_id"] async for thing in things.find({})] == [1]


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_a_mongod_that_is_away_costs_its_timeout_and_no_more(
    driver: Literal["pymongo", "motor"],
) -> None:
    settings = MongoSettings(url="mongodb://127.0.0.1:1", driver=driver, timeout_seconds=0.2)
    async with asyncio.timeout(10), open_mongo(settings) as database:
        with pytest.raises(PyMongoError) as error:
            await database["things"].insert_one({"_id": 1})
    assert error.value.timeout


async def test_redis_answers_bytes_and_never_repeats_a_command(redis_url: str) -> None:
    async with open_redis(RedisSettings(url=redis_url)) as redis:
        assert await redis.set("some:key", "value")
        assert await redis.get("some:key") == b"value"
        await redis.delete("some:key")
    settings = RedisSettings(url="redis://127.0.0.1:1/0")
    async with asyncio.timeout(5), open_redis(settings) as redis:
        with pytest.raises(exceptions.ConnectionError):
            await redis.get("some:key")


async def test_a_redis_that_is_frozen_costs_its_timeout_and_no_more() -> None:
    entered = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        entered.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = RedisSettings(url=f"redis://127.0.0.1:{port}/0", timeout_seconds=0.05)
    async with server, asyncio.timeout(10):
        async with open_redis(settings) as redis:
            with pytest.raises(exceptions.TimeoutError):
                await redis.get("some:key")
        assert entered.is_set()
