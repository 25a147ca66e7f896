"""Stores that are lost at the worst moment of a move cost no message, with real processes."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from tests.component.access.access_world import ack
from tests.e2e.e2e_world import held, talk_during
from tests.e2e.move_world import device, read_to, replaced, tell_bob, world
from tests.waiting import until
from whimbrel.core.migration import MoveState
from whimbrel.local.proxy import PASS, delayed
from whimbrel.local.replica_set import find_primary, step_down
from whimbrel.testing.crowd import Crowd

pytestmark = pytest.mark.timeout(180)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["flushed", "killed"])
async def test_redis_that_is_lost_during_swaps_costs_no_message(loss: str) -> None:
    """The way to Redis is long, so that a swap is surely under way when it forgets everything."""
    async with world(30, proxied=True, proxied_sources=("router-0",)) as (stack, crowd):
        way = stack.links.proxies["router-0>redis"]

        async def lose_redis() -> None:
            if loss == "killed":
                await stack.kill("redis")
                await stack.wait_healthy(30, "redis")  # empty, as this one keeps nothing
                return
            redis = Redis.from_url(stack.redis_url)
            await redis.flushall()
            await redis.aclose()

        async def lose_it_during_swaps() -> None:
            way.set_mode(delayed(0.2, 0.0))
            moving = asyncio.create_task(replaced(stack, "access-1"))
            for _ in range(2):
                await until(lambda: is_swapping(crowd))
                await lose_redis()
            way.set_mode(PASS)
            await moving

        await talk_during(crowd, lose_it_during_swaps())
        await held(stack, crowd)
        there = {client.statistics().endpoint for client in crowd.clients.values()}
        assert there == {stack.endpoints[0]}


def is_swapping(crowd: Crowd) -> bool:
    """Whether some client has said Hello to its new pod and has no answer yet."""
    return any(
        client.statistics().moves.state is MoveState.OPENING for client in crowd.clients.values()
    )


@pytest.mark.slow
async def test_a_primary_that_steps_down_during_a_replay_costs_no_message() -> None:
    """Bob has moved and reads nothing for now: his window is full, most of the replay is to
    come when the primary goes."""
    count = 600
    async with world(mongo_members=3, users=6) as (stack, crowd):
        await tell_bob(stack, count)
        seen: list[int] = []

        async def move_and_replay() -> None:
            async with device(stack.endpoints[1], stack, 0, migrates=True) as (old, _):
                moving = asyncio.create_task(replaced(stack, "access-1"))
                migrate = await old.next("migrate")
                target = migrate.targets[0]
                ticket = {"ticket": target.ticket, "attempt": 2, "migrates": True}
                async with device(target.endpoint, stack, 0, **ticket) as (new, welcome):
                    assert (welcome.first_seq, welcome.head) == (1, count)
                    seen.extend(await new.seqs(1))
                    assert seen[-1] < count
                    mongods = [stack.endpoint_of(name) for name in stack.stores if "mongod" in name]
                    primary = await find_primary(mongods)
                    assert primary is not None
                    assert await step_down(mongods[primary], seconds=30)
                    await new.say(ack(seen[-1]))
                    await read_to(new, count, seen)
                    telling = asyncio.create_task(tell_bob(stack, 5))
                    await read_to(new, count + 5, seen)
                    await telling
                await moving

        await talk_during(crowd, move_and_replay())
        assert seen == list(range(1, count + 6))
        await held(stack, crowd)
