"""What every BanList promises, on memory and on Redis."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis

from services.access.adapters.ban_list_redis import RedisBanList
from services.access.ports import BanList
from tests.waiting import until
from whimbrel.testing.memory_stores.ban_list import MemoryBanList

HOME = "192.0.2.7/32"
NET = "2001:db8:0:1::/64"


@pytest.fixture(params=["memory", "redis"])
async def bans(request: pytest.FixtureRequest, redis: Redis) -> BanList:
    return MemoryBanList(time.monotonic) if request.param == "memory" else RedisBanList(redis)


async def test_a_ban_is_read_by_others_with_what_remains_of_it(bans: BanList) -> None:
    assert await bans.read() == {}
    await bans.extend({HOME: 60.0, NET: 30.0})
    read = await bans.read()
    assert list(read) == [NET, HOME]
    assert 59.0 < read[HOME] <= 60.0
    assert 29.0 < read[NET] <= 30.0


async def test_a_ban_is_made_longer_and_never_shorter(bans: BanList) -> None:
    await bans.extend({HOME: 30.0})
    await bans.extend({HOME: 5.0})
    assert (await bans.read())[HOME] > 29.0
    await bans.extend({HOME: 90.0})
    assert (await bans.read())[HOME] > 89.0


async def test_a_ban_ends_by_itself(bans: BanList) -> None:
    await bans.extend({HOME: 0.05, NET: 60.0})

    async def is_over() -> bool:
        return list(await bans.read()) == [NET]

    await until(is_over)


async def test_saying_nothing_changes_nothing(bans: BanList) -> None:
    await bans.extend({HOME: 60.0})
    await bans.extend({})
    assert list(await bans.read()) == [HOME]


async def test_many_pods_may_speak_at_once(bans: BanList) -> None:
    await asyncio.gather(*(bans.extend({f"192.0.2.{n}/32": 60.0}) for n in range(100)))
    assert len(await bans.read()) == 100


async def test_no_more_than_ten_thousand_are_kept_those_that_last_longest(bans: BanList) -> None:
    many = {f"10.{n // 65536}.{n // 256 % 256}.{n % 256}/32": 60.0 + n / 100 for n in range(10_050)}
    await bans.extend(many)
    read = await bans.read()
    assert len(read) == 10_000
    assert "10.0.0.0/32" not in read


async def test_redis_keeps_nothing_when_the_last_ban_is_over(redis: Redis) -> None:
    await RedisBanList(redis).extend({HOME: 60.0, NET: 30.0})
    (key,) = await redis.keys("*")
    assert 59_000 < await redis.pttl(key) <= 60_000
