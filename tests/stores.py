"""A real database of a test's own, gone at the end. A Redis of its own it has already: the fixture
`redis_url` hands out an empty one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from redis.asyncio import Redis

from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import MongoSettings, RedisSettings
from whimbrel.runtime.stores import Database, open_mongo


@asynccontextmanager
async def own_database(mongo_url: str, *, driver: str = "pymongo") -> AsyncIterator[Database]:
    """Its name is one that nobody else has."""
    name = f"own_{uuid4().hex[:12]}"
    settings = MongoSettings.model_validate({"url": mongo_url, "database": name, "driver": driver})
    async with open_mongo(settings) as database:
        try:
            yield database
        finally:
            await database.client.drop_database(name)


@asynccontextmanager
async def own_stores(redis_url: str, mongo_url: str) -> AsyncIterator[tuple[Redis, Database]]:
    """A client of the Redis, and a database."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(RedisSettings(url=redis_url)))
        yield redis, await stack.enter_async_context(own_database(mongo_url))
