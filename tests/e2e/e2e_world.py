"""A stack, a crowd on it, and the stores' own word on what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pymongo import AsyncMongoClient

from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.crowd import Crowd
from whimbrel.testing.timeline_check import TimelineReport, check_database


@asynccontextmanager
async def stack_of(access: int = 2, logic: int = 2) -> AsyncIterator[Stack]:
    async with Stack.start(StackSpec(access=access, logic=logic)) as stack:
        yield stack


def crowd_of(stack: Stack, count: int, seed: int) -> Crowd:
    users = [f"user-{number}" for number in range(count)]
    return Crowd(users, stack.endpoints, stack.token, seed=seed)


async def report_of(stack: Stack, crowd: Crowd) -> TimelineReport:
    """The stores' own word; a hole may take the promised 15 s after a crash to be filled."""
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(stack.mongo_url)
    try:
        report = await check_database(client.whimbrel, crowd.history.sent)
        for _ in range(40):
            if not report.problems:
                break
            await asyncio.sleep(0.5)
            report = await check_database(client.whimbrel, crowd.history.sent)
        return report
    finally:
        await client.close()
