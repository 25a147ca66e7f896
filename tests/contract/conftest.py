"""Databases and Redis clients of their own for the contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import MongoSettings, RedisSettings
from whimbrel.runtime.stores import Database, open_mongo

OpenDatabase = Callable[[str], Awaitable[Database]]
OpenEmptyRedis = Callable[[], Awaitable[Redis]]


@pytest.fixture
async def open_database(request: pytest.FixtureRequest) -> AsyncIterator[OpenDatabase]:
    """Opens an empty database with the driver that is asked for; it is dropped at the end."""
    async with AsyncExitStack() as stack:

        async def open_one(driver: str) -> Database:
            settings = MongoSettings.model_validate(
                {
                    "url": request.getfixturevalue("mongo_url"),
                    "database": f"test_{uuid4().hex[:12]}",
                    "driver": driver,
                }
            )
            database = await stack.enter_async_context(open_mongo(settings))
            stack.push_async_callback(database.client.drop_database, settings.database)
            return database

        yield open_one


@pytest.fixture
async def open_empty_redis(request: pytest.FixtureRequest) -> AsyncIterator[OpenEmptyRedis]:
    """Opens a client of the shared Redis, after emptying it (of scripts too)."""
    async with AsyncExitStack() as stack:

        async def open_one() -> Redis:
            settings = RedisSettings(url=request.getfixturevalue("redis_url"))
            client = await stack.enter_async_context(open_redis(settings))
            await client.flushall()
            await client.script_flush()
            return client

        yield open_one


@pytest.fixture
async def redis(open_empty_redis: OpenEmptyRedis) -> Redis:
    """A client of the shared Redis, which is empty."""
    return await open_empty_redis()
