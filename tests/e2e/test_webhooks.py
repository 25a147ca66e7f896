"""The host product rejects one message, changes another, and hears of the others in order, through
a whole stack: also when the Logic that stored them is killed, and when Redis is flushed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.e2e.host_product import hosted
from tests.waiting import until
from whimbrel.client import connect
from whimbrel.core.errors import ErrorCode, WhimbrelError

pytestmark = pytest.mark.timeout(180)


async def test_one_is_rejected_one_is_changed_and_the_others_are_heard_of_in_order(
    tmp_path: Path,
) -> None:
    async with hosted(tmp_path) as (stack, host):
        async with connect(stack.endpoints, stack.token("alice"), device="desk") as alice:
            await alice.send("bob", "one")
            with pytest.raises(WhimbrelError) as caught:
                await alice.send("bob", "bad")
            assert caught.value.code is ErrorCode.REFUSED_BY_HOST
            assert caught.value.detail == "spam"
            await alice.send("bob", "damn")
            for number in range(20):
                await alice.send("bob", f"m{number}")
        expected = ["one", "d***", *(f"m{number}" for number in range(20))]
        await until(lambda: len(host.events) == len(expected))
        assert host.texts == expected


async def test_no_event_is_lost_with_a_killed_logic_or_a_flushed_redis(tmp_path: Path) -> None:
    async with hosted(tmp_path, logic=2) as (stack, host):
        async with connect(stack.endpoints, stack.token("alice"), device="desk") as alice:
            sends = [
                asyncio.create_task(alice.send("bob", f"m{n}", timeout_seconds=60))
                for n in range(100)
            ]
            await sends[10]
            await stack.kill("logic-0")
            redis = Redis.from_url(stack.redis_url)
            await redis.flushall()
            await redis.aclose()
            await asyncio.gather(*sends)
        await until(lambda: len(host.events) >= len(sends), seconds=90)
        assert sorted(host.texts) == sorted(f"m{n}" for n in range(100))
