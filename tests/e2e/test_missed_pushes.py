"""Accepted and never pushed, because the link broke or Logic died: it is there all the same.

The Router stands still meanwhile, and its Redis seems to be another one than it speaks of, so no
Logic can find out where anybody is: what is accepted stays unpushed for certain, and what is
delivered was pulled by Access.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from tests.e2e.e2e_world import crowd_of, report_of
from whimbrel.core.ids import worker_of
from whimbrel.core.route import REGISTRY_ID_KEY
from whimbrel.local.proxy import CUT, PASS
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.crowd import Crowd

pytestmark = [pytest.mark.timeout(120), pytest.mark.alone]

PROMISED_SECONDS = 2.0


@asynccontextmanager
async def frozen_directory(stack: Stack) -> AsyncIterator[None]:
    await stack.kill("router-0", signal.SIGSTOP)
    try:
        async with Redis.from_url(stack.redis_url) as redis:
            named = await redis.get(REGISTRY_ID_KEY)
            assert named, "the pods have registered"
            await redis.set(REGISTRY_ID_KEY, "another")
            try:
                yield
            finally:
                await redis.set(REGISTRY_ID_KEY, named)
    finally:
        await stack.kill("router-0", signal.SIGCONT)


async def check_that_it_is_delivered_after(
    breaks: Callable[[], Awaitable[None]], stack: Stack, crowd: Crowd, messages: int
) -> None:
    async with frozen_directory(stack):
        await crowd.talk(messages, at_once=messages)
        assert crowd.history.checker.outstanding, "nobody can have been pushed to"
        await breaks()
        await crowd.wait_delivered(PROMISED_SECONDS)
        verdict = crowd.history.verdict()
    assert verdict.violations == 0, verdict


async def talk_until_each_pod_is_linked_to_both(crowd: Crowd) -> None:
    """Users are dealt out to the two Access pods in turn; an id tells which Logic answered."""
    before, links = set(crowd.history.sent), set[tuple[int, int]]()
    while len(links) < 4:
        await crowd.talk(20, at_once=20)
        for message_id, sent in crowd.history.sent.items():
            if message_id not in before:
                turn = crowd.users.index(sent.client.partition("/")[0]) % 2
                links.add((turn, worker_of(message_id)))
    await crowd.wait_delivered(20)


async def test_what_was_not_pushed_is_delivered_within_two_seconds_of_the_break() -> None:
    spec = StackSpec(access=2, logic=2, gateway=0, push=0, drain=0, proxied=True)
    async with Stack.start(spec) as stack:

        async def cut_links() -> None:
            stack.links.proxies["pods>logic-0"].set_mode(CUT)

        async def kill_logic() -> None:
            await stack.kill("logic-1", signal.SIGKILL)

        async with crowd_of(stack, 20, seed=5) as crowd:
            await check_that_it_is_delivered_after(cut_links, stack, crowd, 40)
            stack.links.proxies["pods>logic-0"].set_mode(PASS)
            await talk_until_each_pod_is_linked_to_both(crowd)
            await check_that_it_is_delivered_after(kill_logic, stack, crowd, 40)
            report = await report_of(stack, crowd)
            assert report.problems == [], str(report)
