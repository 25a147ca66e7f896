"""No event is lost on its way to the host product, through a whole stack: when the Logic that
stored the messages is killed, and when Redis is flushed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.e2e.hosted import hosted
from tests.waiting import until
from whimbrel.client import connect
from whimbrel.core.names import direct_conversation

pytestmark = pytest.mark.timeout(180)


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
        texts = host.texts(direct_conversation("alice", "bob"))
        assert sorted(texts) == sorted(f"m{n}" for n in range(100))
