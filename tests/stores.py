"""A real Redis and a real MongoDB of a test's own, empty at the start and gone at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from redis.asyncio import Redis

from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import MongoSettings, RedisSettings
from whimbrel.runtime.stores import Database, open_mongo


@asynccontextmanager
async def own_stores(redis_url: str, mongo_url: str) -> AsyncIterator[tuple[Redis, Database]]:
    """Both; what Redis held before is flushed, the database has a name that nobody else has."""
    name = f"own_{uuid4().hex[:8]}"
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(RedisSettings(url=redis_url)))
        database = await stack.enter_async_context(
            open_mongo(MongoSettings(url=mongo_url, database=name))
        )
        await redis.flushall()
        yield redis, database
        await database.client.drop_database(name)
