"""One round trip gets its own answers, whatever happened to the one before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis import exceptions
from redis.asyncio import Redis

from tests.waiting import until
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.redis_round_trip import Argument, round_trip
from whimbrel.runtime.settings import RedisSettings

SECONDS = 5.0


@pytest.fixture(params=[1, 4], ids=["from the pool", "held"])
async def redis(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Redis]:
    # One connection, or one of four that is held: whoever comes next gets the one left behind.
    settings = RedisSettings(url=redis_url, max_connections=request.param)
    async with open_redis(settings) as opened:
        yield opened


async def test_answers_come_in_the_order_of_the_commands(redis: Redis) -> None:
    commands: list[tuple[Argument, ...]] = [("INCR", "n") for _ in range(1_000)]
    assert await round_trip(redis, commands, writes=True, timeout_seconds=SECONDS) == list(
        range(1, 1_001)
    )


async def test_a_round_trip_that_was_late_leaves_nothing_for_the_next(redis: Redis) -> None:
    await round_trip(redis, [("SET", "a", "mine")], writes=True, timeout_seconds=SECONDS)
    with pytest.raises(WhimbrelError, match="does not answer"):
        await round_trip(
            redis, [("BLPOP", "nothing", 5), ("GET", "nothing")], writes=True, timeout_seconds=0.02
        )
    assert await round_trip(redis, [("GET", "a")], writes=True, timeout_seconds=SECONDS) == [
        b"mine"
    ]


async def test_a_caller_that_is_cancelled_leaves_nothing_for_the_next(redis: Redis) -> None:
    await round_trip(redis, [("SET", "a", "mine")], writes=True, timeout_seconds=SECONDS)
    waiting = asyncio.create_task(
        round_trip(redis, [("BLPOP", "nothing", 5)], writes=True, timeout_seconds=SECONDS)
    )
    async with open_redis(RedisSettings(url=_url(redis))) as other:
        while not any("blpop" in client["cmd"] for client in await other.client_list()):
            await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait((waiting,))
    assert waiting.cancelled()
    assert await round_trip(redis, [("GET", "a")], writes=True, timeout_seconds=SECONDS) == [
        b"mine"
    ]


async def test_an_error_stands_in_the_place_of_its_command(redis: Redis) -> None:
    answers = await round_trip(
        redis,
        [("SET", "a", "mine"), ("LPUSH", "a", 1), ("GET", "a")],
        writes=True,
        timeout_seconds=SECONDS,
    )
    assert [answers[0], answers[2]] == [b"OK", b"mine"]
    assert isinstance(answers[1], exceptions.ResponseError)


async def test_a_connection_that_redis_has_closed_costs_nobody_an_error(redis: Redis) -> None:
    await round_trip(redis, [("SET", "a", "mine")], writes=True, timeout_seconds=SECONDS)
    async with open_redis(RedisSettings(url=_url(redis))) as other:
        assert await other.client_kill_filter(_type="normal", skipme=True)
    pool = redis.connection_pool
    (killed,) = (*pool._available_connections, *pool._in_use_connections)
    await until(killed.can_read)  # what says that the other end has gone
    assert await round_trip(redis, [("GET", "a")], writes=False, timeout_seconds=SECONDS) == [
        b"mine"
    ]


def _url(redis: Redis) -> str:
    arguments = redis.connection_pool.connection_kwargs
    return f"redis://{arguments['host']}:{arguments['port']}/{arguments['db']}"
