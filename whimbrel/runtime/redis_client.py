"""Opens Redis with the options that the rules ask for.

Apart from MongoDB, because a pod that needs one of the two need not load the other's driver.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from whimbrel.runtime.settings import RedisSettings


@asynccontextmanager
async def open_redis(settings: RedisSettings) -> AsyncIterator[Redis]:
    """A client that answers bytes. It never repeats a command by itself: a script that was
    applied and whose answer was lost would apply twice; the callers know what may be repeated.
    """
    pool = BlockingConnectionPool.from_url(
        settings.url,
        max_connections=settings.max_connections,
        timeout=settings.timeout_seconds,
        socket_timeout=settings.timeout_seconds,
        socket_connect_timeout=settings.timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        # A feature of Redis Enterprise. While it is on, the pool hands out connections that the
        # server has closed, and each costs a caller an error after a restart of Redis.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        decode_responses=False,
    )
    redis = Redis(connection_pool=pool)
    try:
        yield redis
    finally:
        await redis.aclose()
        await pool.disconnect()
