"""What may go wrong while sessions move, with real processes: clients that do not, cannot or
will not move, stores that are lost at the worst moment, and too little time.

The table in docs/operations/drain.md says which fault is held by which test; the pods' own deaths
are in test_pods_come_and_go.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.component.access.access_world import ScriptedClient, ack
from tests.e2e.e2e_world import crowd_of, held, talk_during
from tests.waiting import until
from whimbrel.api.access.v1 import access_pb2
from whimbrel.client import connect
from whimbrel.core.migration import MoveState
from whimbrel.local.proxy import PASS, delayed
from whimbrel.local.replica_set import find_primary, step_down
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.crowd import Crowd

pytestmark = pytest.mark.timeout(180)

BOB = "bob"
GRACE_SECONDS = 8.0
"""Of an Access pod; four fifths of it are its deadline."""


@asynccontextmanager
async def world(users: int = 12, **spec: Any) -> AsyncIterator[tuple[Stack, Crowd]]:
    """Two Access pods without a controller, and a crowd on both."""
    made = StackSpec(**{"access": 2, "logic": 1, "push": 0, "gateway": 0, "drain": 0, **spec})
    async with Stack.start(made) as stack, crowd_of(stack, users, seed=11) as crowd:
        yield stack, crowd


@asynccontextmanager
async def device(
    endpoint: str, stack: Stack, cursor: int, **hello: Any
) -> AsyncIterator[tuple[ScriptedClient, access_pb2.Welcome]]:
    """Bob's device, which says only what the test says."""
    client = ScriptedClient(endpoint)
    async with client.channel:
        token = stack.token(BOB)
        yield client, await client.attach(BOB, cursor=cursor, token=token, **hello)


def log_of(stack: Stack, name: str) -> Path:
    """Where a pod writes its log, also when it is gone."""
    return Path(stack.record.parts[name].log)


def lines_of(log: Path) -> list[dict[str, Any]]:
    """What it has written so far, in all its lives."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def ends(log: Path) -> list[str]:
    """How the streams on the pod ended."""
    return [line["reason"] for line in lines_of(log) if line["event"] == "stream_closed"]


async def replaced(stack: Stack, name: str, number: int = signal.SIGTERM) -> None:
    """Tell a pod to end, and wait until another process has taken its place."""
    starts = stack.starts(name)
    await stack.kill(name, number)
    await until(lambda: stack.starts(name) > starts)
    await stack.wait_healthy(60, name)


async def tell_bob(stack: Stack, count: int) -> None:
    """So many messages, in turn."""
    async with connect(stack.endpoints[0], stack.token("alice"), device="desk") as alice:
        for number in range(count):
            await alice.send(BOB, f"message {number}")


async def read_to(client: ScriptedClient, last: int, into: list[int]) -> None:
    """Take and acknowledge what is delivered, up to a seq."""
    while not into or into[-1] < last:
        into += await client.seqs(1)
        await client.say(ack(into[-1]))


async def test_an_old_client_that_does_not_know_migrate_is_let_go_and_loses_nothing() -> None:
    async with world() as (stack, crowd):
        seen: list[int] = []

        async def live_on() -> None:
            async with device(stack.endpoints[1], stack, 0) as (old, _):
                await tell_bob(stack, 20)
                await read_to(old, 20, seen)
                ending = asyncio.create_task(replaced(stack, "access-1"))
                telling = asyncio.create_task(tell_bob(stack, 20))
                while (frame := await old.read()).WhichOneof("frame") != "close":
                    assert frame.WhichOneof("frame") not in ("migrate", "redirect"), frame
                    seen.extend(entry.seq for entry in frame.deliver.entries)
                assert frame.close.code == access_pb2.CLOSE_CODE_SHUTDOWN
                assert frame.close.retry_after_ms <= 2_000, "it may come back soon"
                await old.ended()
            async with device(stack.endpoints[0], stack, seen[-1], attempt=2) as (back, welcome):
                assert welcome.first_seq == seen[-1] + 1
                await read_to(back, 40, seen)
            await asyncio.gather(ending, telling)

        await talk_during(crowd, live_on())
        assert seen == list(range(1, 41))
        await held(stack, crowd)
        assert crowd.losses == 0, "those who can move do"


@pytest.mark.slow
async def test_a_client_that_never_answers_is_sent_elsewhere_at_the_deadline() -> None:
    async with world(access_grace_seconds=GRACE_SECONDS) as (stack, crowd):
        seen: list[int] = []

        async def live_on() -> None:
            async with device(stack.endpoints[1], stack, 0, migrates=True) as (mute, _):
                ending = asyncio.create_task(replaced(stack, "access-1"))
                telling = asyncio.create_task(tell_bob(stack, 30))
                asked = 0
                while (frame := await mute.read()).WhichOneof("frame") != "redirect":
                    assert frame.WhichOneof("frame") != "close", frame
                    asked += frame.HasField("migrate")
                    if frame.deliver.entries:
                        seen.extend(entry.seq for entry in frame.deliver.entries)
                        await mute.say(ack(seen[-1]))
                assert asked == 3, "once, and again at half and at four fifths of the deadline"
                await mute.ended()
            target = frame.redirect.targets[0]
            cursor = seen[-1] if seen else 0
            ticket = {"ticket": target.ticket, "attempt": 2, "migrates": True}
            async with device(target.endpoint, stack, cursor, **ticket) as (back, welcome):
                assert welcome.first_seq == cursor + 1
                await read_to(back, 30, seen)
            await asyncio.gather(ending, telling)

        await talk_during(crowd, live_on())
        assert seen == list(range(1, 31))
        await held(stack, crowd)


@pytest.mark.slow
async def test_clients_that_defer_for_ever_are_sent_elsewhere_at_the_deadline() -> None:
    async with world(access_grace_seconds=GRACE_SECONDS) as (stack, crowd):
        busy = [c for c in crowd.clients.values() if c.statistics().endpoint == stack.endpoints[1]]
        for client in busy:
            client.defer_moves(3_600.0)
        await talk_during(crowd, replaced(stack, "access-1"))
        await held(stack, crowd)
        assert len(busy) == 6
        assert {client.statistics().endpoint for client in busy} == {stack.endpoints[0]}
        assert all(client.statistics().moves.asked >= 2 for client in busy)
        assert ends(log_of(stack, "access-1")) == ["redirect"] * len(busy)
        assert crowd.losses == len(busy), "each was without a stream once, for a moment"


async def test_a_grace_period_that_is_too_short_is_said_in_time_and_costs_no_message() -> None:
    async with world(users=80, access_grace_seconds=6.0) as (stack, crowd):

        async def delete() -> None:
            # Unlike a mere SIGTERM, with the SIGKILL at the end of the grace.
            stack.platform.delete("access-1")
            await until(lambda: "access-1" not in stack.pods)
            await stack.platform.wait_settled("access")

        log = log_of(stack, "access-1")
        await talk_during(crowd, delete())
        await held(stack, crowd)
        lines = lines_of(log)
        events = [line["event"] for line in lines]
        warning = lines[events.index("deadline_too_short")]
        assert warning["sessions"] == 40
        assert warning["needed_seconds"] > warning["deadline_seconds"] == 4.8
        assert events.index("deadline_too_short") < events.index("stream_closed"), "in time"
        assert set(ends(log)) <= {"fin", "bye", "redirect"}
        assert "redirect" in ends(log), "some could not be asked"


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
