"""The adapters of push that stand on Redis, on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.logic.adapters.push_queue_redis import RedisPushQueue
from services.logic.domain.model import PushJob
from services.push.adapters.job_stream_redis import RedisJobStream
from services.push.adapters.keys import RESCAN_KEY, RESCAN_LOCK_KEY
from services.push.adapters.rescan_ledger_redis import RedisRescanLedger
from services.push.adapters.wake_memory_redis import RedisWakeMemory
from services.push.domain.sifting import ReceivedJob
from services.push.domain.wakes import Wake
from services.push.ports import GroupLostError
from whimbrel.runtime.push_stream import CONSUMER_GROUP, STREAM_KEY, StreamJob
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings


def job(seq: int) -> StreamJob:
    return StreamJob("bob", "d:alice:bob", "alice", 1000 + seq, seq)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(RedisSettings(url=redis_url)) as client:
        yield client


def stream_of(redis: Redis, consumer: str, *, claim_idle_seconds: float = 30.0) -> RedisJobStream:
    return RedisJobStream(
        redis, consumer, batch=10, block_seconds=0.01, claim_idle_seconds=claim_idle_seconds
    )


async def claim_something(stream: RedisJobStream) -> list[ReceivedJob]:
    async with asyncio.timeout(10):
        while True:
            if claimed := await stream.claim():
                return claimed


async def consumers(redis: Redis) -> set[bytes]:
    return {one["name"] for one in await redis.xinfo_consumers(STREAM_KEY, CONSUMER_GROUP)}


async def test_what_logic_enqueues_push_takes(redis: Redis) -> None:
    stream = stream_of(redis, "push-0")
    await stream.prepare()
    await RedisPushQueue(redis).enqueue([PushJob(*job(1)), PushJob(*job(2))])
    assert [one.job for one in await stream.take()] == [job(1), job(2)]
    assert await stream.take() == []


async def test_jobs_that_came_before_the_group_are_taken(redis: Redis) -> None:
    stream = stream_of(redis, "push-0")
    await stream.enqueue([job(1)])
    assert await stream.prepare()
    assert [one.job for one in await stream.take()] == [job(1)]


async def test_each_job_goes_to_one_pod(redis: Redis) -> None:
    one, other = stream_of(redis, "push-0"), stream_of(redis, "push-1")
    await one.prepare()
    await one.enqueue([job(seq) for seq in range(1, 16)])
    taken = [*await one.take(), *await other.take(), *await one.take()]
    assert sorted(received.job or job(0) for received in taken) == [job(n) for n in range(1, 16)]


async def test_the_group_is_made_once_and_again_after_it_was_lost(redis: Redis) -> None:
    stream = stream_of(redis, "push-0")
    with pytest.raises(GroupLostError):
        await stream.take()
    assert await stream.prepare()
    assert not await stream.prepare()
    await redis.flushall()
    with pytest.raises(GroupLostError):
        await stream.claim()
    await stream.enqueue([job(1)])
    with pytest.raises(GroupLostError):
        await stream.take()
    assert await stream.prepare()
    assert [one.job for one in await stream.take()] == [job(1)]


async def test_a_finished_job_leaves_nothing(redis: Redis) -> None:
    stream = stream_of(redis, "push-0", claim_idle_seconds=0.0)
    await stream.prepare()
    await stream.enqueue([job(1), job(2)])
    taken = await stream.take()
    await stream.finish([one.entry_id for one in taken])
    await stream.finish([one.entry_id for one in taken])
    assert await stream.length() == 0
    assert await stream.claim() == []


async def test_a_killed_consumers_jobs_are_claimed(redis: Redis) -> None:
    killed = stream_of(redis, "push-0")
    await killed.prepare()
    await killed.enqueue([job(1)])
    taken = await killed.take()
    assert await stream_of(redis, "push-1").claim() == []  # not idle for 30 s yet
    claimed = await claim_something(stream_of(redis, "push-1", claim_idle_seconds=0.05))
    assert claimed == taken


async def test_a_claimed_job_is_not_claimed_again_at_once(redis: Redis) -> None:
    killed = stream_of(redis, "push-0")
    await killed.prepare()
    await killed.enqueue([job(1)])
    await killed.take()
    assert await claim_something(stream_of(redis, "push-1", claim_idle_seconds=0.0))
    assert await stream_of(redis, "push-2", claim_idle_seconds=30.0).claim() == []


async def test_a_job_that_was_trimmed_is_not_claimed_for_ever(redis: Redis) -> None:
    stream = stream_of(redis, "push-0", claim_idle_seconds=0.0)
    await stream.prepare()
    await stream.enqueue([job(1), job(2)])
    await stream.take()
    await redis.xtrim(STREAM_KEY, maxlen=1, approximate=False)
    assert [one.job for one in await stream.claim()] == [job(2)]
    pending = await redis.xpending(STREAM_KEY, CONSUMER_GROUP)
    assert pending["pending"] == 1


async def test_a_job_that_nobody_can_read_is_said_to_be_one(redis: Redis) -> None:
    stream = stream_of(redis, "push-0")
    await stream.prepare()
    await redis.xadd(STREAM_KEY, {"user": "bob"})
    (received,) = await stream.take()
    assert received.job is None


async def test_a_pod_that_leaves_is_forgotten_unless_it_has_jobs(redis: Redis) -> None:
    idle, busy = stream_of(redis, "push-0"), stream_of(redis, "push-1")
    await idle.prepare()
    await idle.enqueue([job(1)])
    await idle.finish([one.entry_id for one in await idle.take()])
    await idle.enqueue([job(2)])
    await busy.take()
    assert await consumers(redis) == {b"push-0", b"push-1"}
    await idle.leave()
    await busy.leave()
    assert await consumers(redis) == {b"push-1"}
    await redis.flushall()
    await busy.leave()


async def test_a_wake_is_remembered_for_its_time(redis: Redis) -> None:
    memory = RedisWakeMemory(redis, memory_seconds=100)
    await memory.remember([Wake("bob", "phone", "d:alice:bob", "alice", 1001, 1, 0)])
    assert 0 < await redis.ttl("woken:{bob}:phone:d:alice:bob") <= 100


async def test_a_rescan_is_asked_for_when_the_group_was_made(redis: Redis) -> None:
    ledger = RedisRescanLedger(redis)
    assert await ledger.take() is None
    await stream_of(redis, "push-0").prepare()
    assert await ledger.take() == ""


async def test_one_pod_rescans_at_a_time_and_another_goes_on_where_it_died(redis: Redis) -> None:
    await stream_of(redis, "push-0").prepare()
    one, other = RedisRescanLedger(redis, lock_seconds=30.0), RedisRescanLedger(redis)
    assert await one.take() == ""
    assert await other.take() is None
    assert await one.advance("", "bob")
    assert await one.take() == "bob"
    await redis.pexpire(RESCAN_LOCK_KEY, 1)
    async with asyncio.timeout(10):
        while (position := await other.take()) is None:
            pass
    assert position == "bob"
    assert not await one.advance("bob", "carol")
    assert await other.advance("bob", None)
    assert await other.take() is None
    assert await redis.keys("*rescan*") == []


async def test_a_rescan_that_was_asked_for_anew_begins_anew(redis: Redis) -> None:
    stream, ledger = stream_of(redis, "push-0"), RedisRescanLedger(redis)
    await stream.prepare()
    await ledger.take()
    await ledger.advance("", "bob")
    assert await ledger.take() == "bob"
    await redis.flushall()
    await stream.prepare()
    assert not await ledger.advance("bob", None)
    assert await redis.get(RESCAN_KEY) == b""
    assert await ledger.take() == ""
