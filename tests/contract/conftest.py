"""Databases and Redis clients for the contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from tests.stores import own_database
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.runtime.stores import Database

OpenDatabase = Callable[[str], Awaitable[Database]]
OpenEmptyRedis = Callable[[], Awaitable[Redis]]


@pytest.fixture
async def open_database(request: pytest.FixtureRequest) -> AsyncIterator[OpenDatabase]:
    """Opens an empty database with the driver that is asked for; it is dropped at the end."""
    async with AsyncExitStack() as stack:

        async def open_one(driver: str) -> Database:
            url = request.getfixturevalue("mongo_url")
            return await stack.enter_async_context(own_database(url, driver=driver))

        yield open_one


@pytest.fixture
async def open_empty_redis(request: pytest.FixtureRequest) -> AsyncIterator[OpenEmptyRedis]:
    """Opens a client of an empty Redis."""
    async with AsyncExitStack() as stack:

        async def open_one() -> Redis:
            settings = RedisSettings(url=request.getfixturevalue("redis_url"))
            return await stack.enter_async_context(open_redis(settings))

        yield open_one


@pytest.fixture
async def redis(open_empty_redis: OpenEmptyRedis) -> Redis:
    """A client of an empty Redis."""
    return await open_empty_redis()
