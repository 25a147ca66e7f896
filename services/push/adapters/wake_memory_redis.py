"""Which wakes were sent in the last minutes: one key each, which runs out by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from redis.asyncio import Redis

from services.push.adapters.keys import woken_key
from services.push.adapters.redis_answers import redis_answers
from services.push.domain.sifting import WakeKey


class RedisWakeMemory:
    """The port WakeMemory. Calls are as long as a batch of jobs, no more."""

    def __init__(self, redis: Redis, *, memory_seconds: int = 120) -> None:
        self._redis = redis
        self._memory_seconds = memory_seconds

    async def recent(self, keys: Sequence[WakeKey]) -> set[WakeKey]:
        with redis_answers():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.exists(woken_key(*key))
                known = await pipeline.execute()
        return {key for key, is_known in zip(keys, known, strict=True) if is_known}

    async def remember(self, keys: Collection[WakeKey]) -> None:
        with redis_answers():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.set(woken_key(*key), b"", ex=self._memory_seconds)
                await pipeline.execute()
