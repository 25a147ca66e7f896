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
from whimbrel.runtime.redis_round_trip import Command, round_trip

MAX_JOBS = 500
"""Jobs in one round trip, so that nobody else waits long for Redis."""


class RedisPushQueue:
    """The port PushQueue."""

    def __init__(self, redis: Redis, *, max_length: int = MAX_STREAM_LENGTH) -> None:
        self._redis = redis
        self._max_length = max_length

    async def enqueue(self, jobs: Sequence[PushJob]) -> None:
        for start in range(0, len(jobs), MAX_JOBS):
            answers = await round_trip(
                self._redis,
                [self._command(job) for job in jobs[start : start + MAX_JOBS]],
                writes=True,
            )
            for answer in answers:
                if isinstance(answer, RedisError):
                    raise unavailable("Redis refused a job", outcome_unknown=True) from answer

    def _command(self, job: PushJob) -> Command:
        fields = encode_job(StreamJob(*job))
        return (
            "XADD",
            STREAM_KEY,
            "MAXLEN",
            "~",
            self._max_length,
            "*",
            *(part for field in fields.items() for part in field),
        )
