"""Hands push jobs to the push service over a Redis Stream; losing Redis loses them (rule 21).

The stream's key, its bound and the shape of a job are the contract in
`whimbrel.runtime.push_stream`. The consumer group is made by push, which also reads what was
enqueued before there was one.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.logic.domain.model import PushJob
from whimbrel.core.errors import unavailable
from whimbrel.runtime.push_stream import MAX_STREAM_LENGTH, STREAM_KEY, StreamJob, encode_job

MAX_JOBS = 500
"""Jobs in one round trip, so that nobody else waits long for Redis."""


class RedisPushQueue:
    """The port PushQueue."""

    def __init__(self, redis: Redis, *, max_length: int = MAX_STREAM_LENGTH) -> None:
        self._redis = redis
        self._max_length = max_length

    async def enqueue(self, jobs: Sequence[PushJob]) -> None:
        try:
            for start in range(0, len(jobs), MAX_JOBS):
                await self._add(jobs[start : start + MAX_JOBS])
        except (RedisError, OSError) as error:
            raise unavailable("Redis does not answer", outcome_unknown=True) from error

    async def _add(self, jobs: Sequence[PushJob]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for job in jobs:
                pipeline.execute_command(
                    "XADD",
                    STREAM_KEY,
                    "MAXLEN",
                    "~",
                    self._max_length,
                    "*",
                    *(part for field in encode_job(StreamJob(*job)).items() for part in field),
                )
            await pipeline.execute()
