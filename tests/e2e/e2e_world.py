"""A stack, a crowd on it, and the stores' own word on what became of it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from tests.waiting import until
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.crowd import Crowd
from whimbrel.testing.timeline_check import TimelineReport, check_database


@asynccontextmanager
async def stack_of(access: int = 2, logic: int = 2) -> AsyncIterator[Stack]:
    async with Stack.start(StackSpec(access=access, logic=logic, gateway=0)) as stack:
        yield stack


def crowd_of(stack: Stack, count: int, seed: int) -> Crowd:
    users = [f"user-{number}" for number in range(count)]
    return Crowd(users, stack.endpoints, stack.token, seed=seed)


async def talk_during(crowd: Crowd, event: Awaitable[Any]) -> None:
    """The crowd talks before, while and after it happens."""
    happening = asyncio.ensure_future(event)
    while not happening.done():
        await crowd.talk(200, at_once=20)
    await happening
    await crowd.talk(200, at_once=20)


async def drains_itself(stack: Stack, crowd: Crowd, *, one_in: int) -> None:
    """A pod of a stack with no controller is told to end while the crowd talks: nobody is without
    a stream, and at least one client in so many has moved."""

    async def stop() -> None:
        await stack.kill("access-1", signal.SIGTERM)
        await stack.wait_healthy(60, "access-1")

    await talk_during(crowd, stop())
    await held(stack, crowd)
    assert crowd.losses == 0
    assert sum(crowd.moves) >= len(crowd.moves) // one_in


async def command(data: Path, *words: str) -> Any:
    """What `whimbrel WORDS --json` says about the stack of this data directory."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "whimbrel.cli.app", *words, "--json",
        "--data", str(data), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return json.loads(said)


async def held(stack: Stack, crowd: Crowd) -> None:
    """Nothing is lost, doubled or out of order, to the clients and in the stores."""
    await crowd.wait_delivered(20)
    verdict = crowd.history.verdict()
    assert verdict.violations == 0, verdict
    assert (await report_of(stack, crowd)).problems == []


async def report_of(stack: Stack, crowd: Crowd) -> TimelineReport:
    """The stores' own word; a hole may take the promised 15 s after a crash to be filled."""
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(stack.mongo_url)
    try:
        report = await check_database(client.whimbrel, crowd.history.sent)

        async def is_whole() -> bool:
            nonlocal report
            report = await check_database(client.whimbrel, crowd.history.sent)
            return not report.problems

        with suppress(TimeoutError):  # the caller says what is wrong
            await until(is_whole, seconds=20)
        return report
    finally:
        await client.close()


async def holds_a_worker_lease(stack: Stack, pod_id: str) -> bool:
    """Whether this Logic pod may mint ids, as MongoDB has it; false once another pod has
    declared it dead."""
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(stack.mongo_url)
    try:
        held = {"state": "held", "holder": {"$regex": f"^{pod_id}/"}}
        return await client.whimbrel.workers.find_one(held) is not None
    finally:
        await client.close()
