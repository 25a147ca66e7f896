"""The promises, on a real stack of processes, read from the real stores.

Everything here kills, stops or empties something in the middle of traffic. What it asserts is
never how long something took on a noisy machine, except where the promise itself is a time.
"""

from __future__ import annotations

import asyncio
import signal

import pytest
from redis.asyncio import Redis

from tests.e2e.e2e_world import crowd_of, holds_a_worker_lease, report_of, stack_of
from tests.waiting import until
from whimbrel.core.ids import worker_of

pytestmark = pytest.mark.timeout(300)


async def test_twenty_thousand_messages_survive_kills() -> None:
    """2 Access and 2 Logic pods, 200 users, SIGKILLs in the middle of it."""
    async with stack_of() as stack, crowd_of(stack, 200, seed=1) as crowd:
        await crowd.form_groups(10, size=5)
        done = 0
        moments = {
            3_000: "logic-0",
            6_000: "access-0",
            9_000: "logic-1",
            12_000: "access-1",
            15_000: "logic-0",
        }
        killers: list[asyncio.Task[None]] = []

        def each() -> None:
            nonlocal done
            done += 1
            if done in moments:
                killers.append(asyncio.create_task(stack.kill(moments[done], signal.SIGKILL)))

        await crowd.talk(20_000, at_once=400, group_share=0.1, each=each)
        await asyncio.gather(*killers)
        await crowd.wait_delivered(30)
        verdict = crowd.history.verdict()
        assert len(killers) == len(moments)
        assert verdict.accepted == 20_000
        assert verdict.violations == 0, verdict
        report = await report_of(stack, crowd)
        assert report.problems == [], str(report)


async def test_two_logic_processes_keep_shared_timelines_dense() -> None:
    """Few users, many conversations, two writers at once: the seqs are fought over."""
    async with stack_of() as stack, crowd_of(stack, 6, seed=2) as crowd:
        await crowd.talk(2_000, at_once=60)
        await crowd.wait_delivered(20)
        assert crowd.history.verdict().violations == 0
        report = await report_of(stack, crowd)
        assert report.problems == [], str(report)
        workers = {worker_of(message_id) for message_id in crowd.history.sent}
        assert len(workers) == 2, "both Logic pods must have written"


@pytest.mark.alone
async def test_a_flushed_redis_loses_nothing_and_live_delivery_is_back_in_three_seconds() -> None:
    async with stack_of() as stack, crowd_of(stack, 40, seed=3) as crowd:
        attempts = {user: client.statistics().streams for user, client in crowd.clients.items()}
        redis = Redis.from_url(stack.redis_url)
        talking = asyncio.create_task(crowd.talk(3_000, at_once=20))
        await until(lambda: len(crowd.history.sent) >= 1_000)
        await redis.flushall()
        loop = asyncio.get_running_loop()
        flushed = loop.time()

        async def everybody_has_a_route() -> bool:
            return len([key async for key in redis.scan_iter("route:*")]) == len(crowd.users)

        await until(everybody_has_a_route, seconds=3.0)
        assert loop.time() - flushed <= 3.0
        await redis.aclose()
        await talking
        # From here on delivery has to be live: by push, in much less than a head check's 10 s.
        await crowd.talk(200, at_once=20)
        await crowd.wait_delivered(2)
        verdict = crowd.history.verdict()
        assert verdict.violations == 0, verdict
        after = {user: client.statistics().streams for user, client in crowd.clients.items()}
        assert after == attempts, "nobody may have had to reconnect"
        report = await report_of(stack, crowd)
        assert report.problems == [], str(report)


async def test_a_logic_stopped_past_its_lease_mints_nothing_twice() -> None:
    """SIGSTOP for longer than the 10 s lease, in the middle of traffic, then SIGCONT."""
    async with stack_of() as stack, crowd_of(stack, 30, seed=4) as crowd:
        talking = asyncio.create_task(crowd.talk(4_000, at_once=60, timeout_seconds=90))
        await until(lambda: len(crowd.history.sent) >= 1_000)
        await stack.kill("logic-0", signal.SIGSTOP)
        assert await holds_a_worker_lease(stack, "logic-0")

        async def is_declared_dead() -> bool:
            return not await holds_a_worker_lease(stack, "logic-0")

        await until(is_declared_dead, seconds=60)
        await stack.kill("logic-0", signal.SIGCONT)
        await talking
        await crowd.talk(500, at_once=30)
        await crowd.wait_delivered(20)
        # History keeps one entry per message_id, so a repeat would show as a missing message.
        verdict = crowd.history.verdict()
        assert verdict.accepted == 4_500
        assert verdict.violations == 0, verdict
        report = await report_of(stack, crowd)
        assert report.problems == [], str(report)
