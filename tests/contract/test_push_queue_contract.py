"""What every PushQueue promises, on memory and on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.logic.adapters.push_queue_redis import RedisPushQueue
from services.logic.domain.model import PushJob
from services.logic.ports import PushQueue
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.traceparent import TraceContext
from whimbrel.runtime.push_stream import STREAM_KEY, decode_job
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.memory_stores.push_queue import MemoryPushQueue

BOUND = 1000


class Given:
    """A queue, and what waits in it."""

    def __init__(self, queue: PushQueue, waiting: Callable[[], Awaitable[list[PushJob]]]) -> None:
        self.queue = queue
        self.waiting = waiting


@pytest.fixture(params=["memory", "redis"])
async def given(request: pytest.FixtureRequest) -> AsyncIterator[Given]:
    if request.param == "memory":
        memory = MemoryPushQueue(max_length=BOUND)

        async def jobs() -> list[PushJob]:
            return list(memory.jobs)

        yield Given(memory, jobs)
        return
    settings = RedisSettings(url=request.getfixturevalue("redis_url"))
    async with open_redis(settings) as redis:

        async def entries() -> list[PushJob]:
            found: Any = await redis.xrange(STREAM_KEY)
            return [PushJob(*decode_job(fields)) for _, fields in found]

        yield Given(RedisPushQueue(redis, max_length=BOUND), entries)


def job(number: int) -> PushJob:
    return PushJob("bob", "d:alice:bob", "alice", (1 << 60) + number, number)


async def test_jobs_wait_in_the_order_in_which_they_came(given: Given) -> None:
    await given.queue.enqueue([job(2), job(1)])
    await given.queue.enqueue([])
    traced = job(3)._replace(traceparent=TraceContext(17, 4).traceparent)
    await given.queue.enqueue([traced])
    assert await given.waiting() == [job(2), job(1), traced]


async def test_a_batch_larger_than_a_round_trip_waits_whole(given: Given) -> None:
    jobs = [job(number) for number in range(1, 801)]
    await given.queue.enqueue(jobs)
    assert await given.waiting() == jobs


async def test_beyond_the_bound_the_oldest_are_dropped(given: Given) -> None:
    await given.queue.enqueue([job(number) for number in range(1, 3001)])
    waiting = await given.waiting()
    # Redis drops whole nodes of the stream, so its bound is approximate.
    assert BOUND <= len(waiting) <= BOUND + 100
    assert waiting[-1] == job(3000)


async def test_a_redis_that_is_away_is_unavailable_with_unknown_outcome() -> None:
    async with open_redis(RedisSettings(url="redis://127.0.0.1:1")) as redis:
        with pytest.raises(WhimbrelError) as raised:
            await RedisPushQueue(redis).enqueue([job(1)])
        assert raised.value.code is ErrorCode.UNAVAILABLE
        assert raised.value.outcome_unknown
