"""What every WakeQueue promises, on memory and on Redis."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from services.push.adapters.wake_queue_redis import RedisWakeQueue
from services.push.domain.wakes import Wake
from services.push.wake_ports import Settlement, WakeQueue
from tests.contract.conftest import OpenEmptyRedis
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.settings import RedisSettings
from whimbrel.testing.memory_stores.wake_queue import MemoryWakeQueue

NOW = 1_700_000_000_000
LEASE = 45_000


@pytest.fixture(params=["memory", "redis"])
async def queue(request: pytest.FixtureRequest, open_empty_redis: OpenEmptyRedis) -> WakeQueue:
    if request.param == "memory":
        return MemoryWakeQueue()
    return RedisWakeQueue(await open_empty_redis())


def wake(seq: int, device: str = "phone", conversation: str = "d:alice:bob") -> Wake:
    return Wake("bob", device, conversation, "alice", (1 << 60) + seq, seq, NOW - 10)


async def claim(queue: WakeQueue, now_ms: int, limit: int = 100) -> list[Wake]:
    return await queue.claim("apns", now_ms, LEASE, limit)


async def test_a_wake_is_claimed_when_it_is_due_and_not_before(queue: WakeQueue) -> None:
    assert await queue.schedule("apns", [(wake(1), NOW)]) == 1
    assert await claim(queue, NOW - 1) == []
    assert await claim(queue, NOW) == [wake(1)]


async def test_a_claimed_wake_is_nobody_elses_until_its_lease_is_over(queue: WakeQueue) -> None:
    await queue.schedule("apns", [(wake(1), NOW)])
    await claim(queue, NOW)
    assert await claim(queue, NOW + LEASE - 1) == []
    assert await claim(queue, NOW + LEASE) == [wake(1)]


async def test_a_settled_wake_is_gone(queue: WakeQueue) -> None:
    await queue.schedule("apns", [(wake(1), NOW)])
    await claim(queue, NOW)
    await queue.settle("apns", [Settlement(wake(1))])
    await queue.settle("apns", [Settlement(wake(1))])
    assert await queue.length("apns") == 0
    assert await claim(queue, NOW + 2 * LEASE) == []


async def test_of_one_conversation_only_the_newest_waits_at_the_first_ones_moment(
    queue: WakeQueue,
) -> None:
    await queue.schedule("apns", [(wake(2), NOW), (wake(3), NOW + 50)])
    await queue.schedule("apns", [(wake(1), NOW - 50), (wake(3), NOW + 70)])
    assert await queue.length("apns") == 1
    assert await claim(queue, NOW - 1) == []
    assert await claim(queue, NOW) == [wake(3)]


async def test_seqs_are_compared_as_numbers(queue: WakeQueue) -> None:
    await queue.schedule("apns", [(wake(9), NOW)])
    await queue.schedule("apns", [(wake(10), NOW)])
    assert await claim(queue, NOW) == [wake(10)]


async def test_devices_conversations_and_providers_are_apart(queue: WakeQueue) -> None:
    await queue.schedule(
        "apns", [(wake(1), NOW), (wake(1, "pc"), NOW), (wake(1, "pc", "g:a"), NOW)]
    )
    await queue.schedule("fcm", [(wake(1), NOW)])
    assert len(await claim(queue, NOW)) == 3
    assert await queue.claim("fcm", NOW, LEASE, 10) == [wake(1)]
    assert await queue.length("webhook") == 0


async def test_the_longest_due_come_first_and_no_more_than_asked_for(queue: WakeQueue) -> None:
    wakes = [(wake(1, f"device{number}"), NOW - number) for number in range(10)]
    await queue.schedule("apns", wakes)
    assert [one.device for one in await claim(queue, NOW, 3)] == ["device9", "device8", "device7"]
    assert len(await claim(queue, NOW, 100)) == 7


async def test_a_wake_that_waits_again_is_due_at_its_new_moment(queue: WakeQueue) -> None:
    await queue.schedule("apns", [(wake(1), NOW)])
    await claim(queue, NOW)
    again = wake(1)._replace(tries=1)
    await queue.settle("apns", [Settlement(wake(1), again, NOW + 2000)])
    assert await claim(queue, NOW + 1999) == []
    assert await claim(queue, NOW + 2000) == [again]


@pytest.mark.parametrize("again", [None, wake(1)._replace(tries=1)])
async def test_a_newer_wake_that_came_meanwhile_is_kept(
    queue: WakeQueue, again: Wake | None
) -> None:
    await queue.schedule("apns", [(wake(1), NOW)])
    await claim(queue, NOW)
    await queue.schedule("apns", [(wake(2), NOW + 10)])
    assert await claim(queue, NOW + 10) == [], "the older one is still on its way"
    await queue.settle("apns", [Settlement(wake(1), again, NOW + 3000)])
    assert await claim(queue, NOW + 2999) == []
    assert await claim(queue, NOW + 3000) == [wake(2)]


async def test_a_large_batch_is_scheduled_and_settled_whole(queue: WakeQueue) -> None:
    wakes = [wake(1, f"device{number}") for number in range(600)]
    assert await queue.schedule("apns", [(one, NOW) for one in wakes]) == 600
    claimed: list[Wake] = []
    while found := await claim(queue, NOW, 250):
        claimed += found
    assert sorted(claimed) == sorted(wakes)
    await queue.settle("apns", [Settlement(one) for one in claimed])
    assert await queue.length("apns") == 0


async def test_what_nobody_can_read_is_dropped(redis: Redis) -> None:
    await redis.hset("push:{jobs}:wakes:apns", "bob phone", "nonsense")
    await redis.zadd("push:{jobs}:due:apns", {"bob phone": 0, "no wake": 0})
    queue = RedisWakeQueue(redis)
    assert await claim(queue, NOW) == []
    assert await queue.length("apns") == 0


async def test_a_redis_that_is_away_is_unavailable() -> None:
    async with open_redis(RedisSettings(url="redis://127.0.0.1:1")) as redis:
        queue = RedisWakeQueue(redis)
        for call in (
            queue.schedule("apns", [(wake(1), NOW)]),
            queue.claim("apns", NOW, LEASE, 1),
            queue.settle("apns", [Settlement(wake(1))]),
            queue.length("apns"),
        ):
            with pytest.raises(WhimbrelError) as raised:
                await call
            assert raised.value.code is ErrorCode.UNAVAILABLE


async def test_a_mention_stays_when_a_newer_wake_takes_its_place(queue: WakeQueue) -> None:
    mention = wake(1)._replace(mentions_user=True)
    await queue.schedule("apns", [(mention, NOW), (wake(1, "pc"), NOW)])
    await queue.schedule("apns", [(wake(2), NOW + 50)])
    newer = wake(2)._replace(mentions_user=True)
    assert set(await claim(queue, NOW)) == {newer, wake(1, "pc")}
    again = newer._replace(tries=1)
    await queue.settle("apns", [Settlement(newer, again, NOW + 100)])
    assert await claim(queue, NOW + 100) == [again]
    await queue.settle("apns", [Settlement(again)])
    await queue.schedule("apns", [(wake(3), NOW + 200)])
    assert await claim(queue, NOW + 200) == [wake(3)]
