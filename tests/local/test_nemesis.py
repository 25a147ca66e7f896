"""The nemesis on real processes: each kind strikes, and nothing of it is left when it returns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from tests.waiting import until
from whimbrel.core.ids import unix_ms_of
from whimbrel.local.children import Identity
from whimbrel.local.errors import StackError
from whimbrel.local.faketime import step_clock
from whimbrel.local.nemesis import KINDS, FaultEvent, Nemesis, endpoints_for_clients, kinds_of
from whimbrel.local.proxy import CUT, PASS
from whimbrel.local.proxy_connection import ModeKind
from whimbrel.local.replica_set import find_primary
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.crowd import Crowd

pytestmark = pytest.mark.timeout(240)


class Run:
    """A nemesis at work; ends in good order."""

    def __init__(self, stack: Stack, kinds: tuple[str, ...], seed: int = 1) -> None:
        self.events: list[FaultEvent] = []
        self.stop = asyncio.Event()
        nemesis = Nemesis(stack, kinds=kinds, seed=seed, period_seconds=(0.05, 0.2))
        self.task = asyncio.create_task(nemesis.run(self.events.append, self.stop))

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(lambda: condition() or self.task.done(), seconds=60)
        if not condition():
            await self.task  # it has failed, and says why
            raise AssertionError("the nemesis has ended early")

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(100):
            await self.task
        begun = [
            (event.kind, event.target, event.started) for event in self.events if not event.ended
        ]
        ended = [(event.kind, event.target, event.started) for event in self.events if event.ended]
        assert sorted(begun) == sorted(ended), "each fault is told twice"


@asynccontextmanager
async def run_of(stack: Stack, *kinds: str) -> AsyncIterator[Run]:
    run = Run(stack, kinds)
    try:
        yield run
    finally:
        await run.end()
    assert run.events
    assert_healed(stack)


def assert_healed(stack: Stack) -> None:
    pids = stack.server_pids()
    assert set(pids) == {*stack.pods, *stack.stores}, "every part is alive"
    assert not [name for name, pid in pids.items() if not Path(f"/proc/{pid}").exists()]
    assert not [name for name, pid in pids.items() if is_stopped(pid)]
    assert all(proxy.mode == PASS for proxy in stack.links.proxies.values())


def is_stopped(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False  # killed meanwhile, which is another fault
    return stat.rpartition(")")[2].split()[0] == "T"


async def assert_delivers(stack: Stack, seed: int = 1) -> None:
    # Others for each seed: what a crowd calls its messages is the same each time.
    users = [f"user-{seed}-{number}" for number in range(4)]
    async with Crowd(users, endpoints_for_clients(stack), stack.token, seed=seed) as crowd:
        await crowd.talk(40, at_once=4)
        await crowd.wait_delivered(30)
        verdict = crowd.history.verdict()
        assert (verdict.accepted, verdict.violations) == (40, 0), verdict


async def stored(stack: Stack) -> int:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stack.mongo_url)
    async with client:
        return await client.whimbrel.messages.count_documents({})


@pytest.mark.slow  # the soak of make test plays every kind on one mongod
async def test_each_kind_on_one_mongod_with_proxies_strikes_and_is_taken_back() -> None:
    async with Stack.start(StackSpec(logic=2, proxied=True)) as stack:
        impossible = ("mongo-stepdown", "clock", "drain", "rollout")  # nobody else to move to
        assert kinds_of(stack) == tuple(kind for kind in KINDS if kind not in impossible)
        assert endpoints_for_clients(stack) != [stack.endpoint_of("access-0")]

        def lives() -> dict[str, int]:
            return {name: stack.starts(name) for name in (*stack.pods, *stack.stores)}

        proxies = stack.links.proxies.values()

        for kind, names in (
            ("kill", stack.pods),
            ("term", stack.pods),
            ("redis-kill", ["redis"]),
            ("mongo-kill", ["mongod"]),
            ("kill-controller", stack.pods),
        ):
            before = lives()
            async with run_of(stack, kind) as run:
                await run.until(lambda: any(event.ended for event in run.events))
            struck = {name for name, starts in lives().items() if starts > before[name]}
            assert struck, kind
            assert struck <= set(names), kind

        async with run_of(stack, "stop") as run:
            await run.until(lambda: any(map(is_stopped, stack.server_pids().values())))
        redis = Redis.from_url(stack.redis_url)
        await redis.set("a key of ours", "1")
        async with run_of(stack, "redis-flush") as run:
            await run.until(lambda: any(event.ended for event in run.events))
        assert not await redis.exists("a key of ours")
        await redis.aclose()
        async with run_of(stack, "net-delay") as run:
            await run.until(lambda: any(proxy.mode.delay_seconds for proxy in proxies))
        async with run_of(stack, "net-cut") as run:
            await run.until(lambda: any(proxy.mode == CUT for proxy in proxies))
        async with run_of(stack, "net-half-open") as run:
            await run.until(lambda: any(proxy.mode.kind is ModeKind.HALF_OPEN for proxy in proxies))
        await assert_delivers(stack)


async def test_a_cancelled_nemesis_leaves_a_stack_that_delivers_and_no_process_behind() -> None:
    async with Stack.start(StackSpec(logic=2, proxied=True)) as stack:
        run = Run(stack, ("all",), seed=3)
        await run.until(
            lambda: (
                any(map(is_stopped, stack.server_pids().values()))
                and any(proxy.mode != PASS for proxy in stack.links.proxies.values())
            )
        )
        run.task.cancel()
        await asyncio.sleep(0)
        run.task.cancel()  # asked twice: it heals all the same
        with pytest.raises(asyncio.CancelledError):
            await run.task
        assert_healed(stack)
        await assert_delivers(stack)
        processes = [Identity.of(pid) for pid in stack.server_pids().values()]
    assert not any(process.is_alive for process in processes)


@pytest.mark.slow
async def test_of_three_mongods_the_primary_steps_down_and_is_killed() -> None:
    async with Stack.start(StackSpec(mongo_members=3)) as stack:
        names = [name for name in stack.stores if name.startswith("mongod")]
        addresses = [stack.endpoint_of(name) for name in names]
        assert names == ["mongod-0", "mongod-1", "mongod-2"]
        assert await find_primary(addresses) == 0
        async with run_of(stack, "mongo-stepdown") as run:
            await run.until(lambda: bool(run.events))

            async def another_leads() -> bool:
                return await find_primary(addresses) not in (None, 0)

            await until(another_leads)
        await assert_delivers(stack, seed=1)
        primary = await find_primary(addresses)
        assert primary is not None
        await stack.kill(names[primary])
        await assert_delivers(stack, seed=2)
        await stack.wait_healthy(60)
        assert kinds_of(stack) == (*KINDS[:7], "kill-controller")


@pytest.mark.slow
async def test_three_members_keep_their_data_over_a_restart_and_never_become_one(
    tmp_path: Path,
) -> None:
    for seed in (1, 2):
        async with Stack.start(StackSpec(data=tmp_path, mongo_members=3)) as stack:
            await assert_delivers(stack, seed)
            assert await stored(stack) == 40 * seed
    with pytest.raises(StackError, match="MongoDB of 3 members: start it with --mongo-members 3"):
        async with Stack.start(StackSpec(data=tmp_path)):
            pass


async def test_one_member_grows_into_three(tmp_path: Path) -> None:
    for members in (1, 3):
        spec = StackSpec(data=tmp_path, mongo_members=members, gateway=0, push=0, drain=0)
        async with Stack.start(spec) as stack:
            await assert_delivers(stack, seed=members)
            assert await stored(stack) == (40 if members == 1 else 80)


async def test_the_clock_of_a_logic_pod_steps_and_ids_never_go_back() -> None:
    async with Stack.start(StackSpec(clocks=True, gateway=0, push=0, drain=0)) as stack:
        assert "clock" in kinds_of(stack)
        clock = stack.folder.clock("logic-0")
        async with run_of(stack, "clock") as run:
            await run.until(lambda: float(clock.read_text()) != 0.0)
        assert float(clock.read_text()) == 0.0
        users = ["alice", "bob"]
        async with Crowd(users, stack.endpoints, stack.token) as crowd:
            sent = crowd.history.sent

            async def minted_ms(messages: int) -> int:
                await crowd.talk(messages, at_once=1)
                return unix_ms_of(max(sent))

            async def is_ahead() -> bool:
                return await minted_ms(1) / 1000 - time.time() > 3000

            async def is_behind() -> bool:
                """Ids carry the time that was reached, while real time goes on."""
                before = await minted_ms(1)
                return await minted_ms(10) - before <= 1

            for step, is_seen in ((-60.0, is_behind), (3600.0, is_ahead), (0.0, is_behind)):
                step_clock(clock, step)
                await until(is_seen)
                await crowd.talk(20, at_once=1)
            ids = list(sent)
            assert ids == sorted(ids)
            await crowd.wait_delivered(20)
            assert crowd.history.verdict().violations == 0


async def test_a_stack_that_does_not_heal_itself_is_refused() -> None:
    async with Stack.start(StackSpec(restart=False, gateway=0, push=0, drain=0)) as stack:
        with pytest.raises(StackError, match="starts its parts again"):
            Nemesis(stack, kinds=("kill",), seed=1)
