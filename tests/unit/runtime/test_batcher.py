"""Batches form by themselves, keep their order, and never lose a caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.batcher import Batcher


class Desk:
    """A handler that a test can hold, and that remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.entered = asyncio.Event()
        self.error: Exception | None = None

    async def handle(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.entered.set()
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return [item * 10 for item in items]


@asynccontextmanager
async def running(batcher: Batcher[int, int]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(batcher.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))


def make(desk: Desk, max_items: int = 100, max_waiting: int = 100) -> Batcher[int, int]:
    return Batcher(desk.handle, max_items=max_items, max_waiting=max_waiting, name="desk")


async def test_what_arrives_during_a_batch_is_the_next_batch() -> None:
    desk = Desk()
    batcher = make(desk)
    async with running(batcher), asyncio.TaskGroup() as group:
        first = group.create_task(batcher.submit(1))
        await desk.entered.wait()
        rest = [group.create_task(batcher.submit(item)) for item in (2, 3, 4)]
        while batcher.statistics().waiting < 3:
            await asyncio.sleep(0)
        desk.open.set()
        assert [await first, *[await task for task in rest]] == [10, 20, 30, 40]
    assert desk.batches == [[1], [2, 3, 4]]
    statistics = batcher.statistics()
    assert (statistics.batches, statistics.items, statistics.largest) == (2, 4, 3)


async def test_those_who_come_soon_after_a_batch_share_the_next_one() -> None:
    desk = Desk()
    desk.open.set()
    batcher = Batcher(desk.handle, max_items=100, max_waiting=100, name="desk", apart_seconds=1.0)
    clock = asyncio.get_running_loop().time
    async with running(batcher), asyncio.TaskGroup() as group:
        began = clock()
        assert await batcher.submit(1) == 10
        second = group.create_task(batcher.submit(2))
        for _ in range(10):
            await asyncio.sleep(0)
        third = group.create_task(batcher.submit(3))
        assert [await second, await third] == [20, 30]
        assert clock() - began >= 1.0
    assert desk.batches == [[1], [2, 3]]


async def test_a_batch_holds_at_most_max_items() -> None:
    desk = Desk()
    desk.open.set()
    batcher = make(desk, max_items=2)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(batcher.submit(item)) for item in range(5)]
        async with running(batcher):
            assert [await task for task in tasks] == [0, 10, 20, 30, 40]
    assert desk.batches == [[0, 1], [2, 3], [4]]


async def test_more_than_max_waiting_is_refused_as_overloaded() -> None:
    desk = Desk()
    batcher = make(desk, max_waiting=2)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(batcher.submit(item)) for item in (1, 2)]
        while batcher.statistics().waiting < 2:
            await asyncio.sleep(0)
        with pytest.raises(WhimbrelError) as refusal:
            await batcher.submit(3)
        assert refusal.value.code is ErrorCode.OVERLOADED
        assert refusal.value.retry_after_seconds is not None
        desk.open.set()
        async with running(batcher):
            assert [await task for task in tasks] == [10, 20]
    assert batcher.statistics().refused == 1


async def test_an_error_of_ours_reaches_everybody_of_the_batch_and_nobody_else() -> None:
    desk = Desk()
    desk.error = WhimbrelError(ErrorCode.UNAVAILABLE, "no store", outcome_unknown=True)
    desk.open.set()
    batcher = make(desk)
    submits = [asyncio.create_task(batcher.submit(item)) for item in (1, 2)]
    async with running(batcher):
        outcomes = await asyncio.gather(*submits, return_exceptions=True)
        assert all(isinstance(outcome, WhimbrelError) for outcome in outcomes)
        assert [str(outcome) for outcome in outcomes] == ["UNAVAILABLE: no store"] * 2
        assert outcomes[0] is not outcomes[1]
        desk.error = None
        assert await batcher.submit(3) == 30


async def test_a_bug_in_one_batch_is_internal_and_does_not_end_the_loop() -> None:
    desk = Desk()
    desk.error = KeyError("a bug")
    desk.open.set()
    batcher = make(desk)
    async with running(batcher):
        with pytest.raises(WhimbrelError) as internal:
            await batcher.submit(1)
        assert internal.value.code is ErrorCode.INTERNAL
        assert "bug" not in internal.value.detail
        assert internal.value.outcome_unknown
        desk.error = None
        assert await batcher.submit(2) == 20
    assert batcher.statistics().failed == 1


async def test_too_few_answers_are_a_bug_and_nobody_hangs() -> None:
    async def short(items: list[int]) -> list[int]:
        return items[:-1]

    batcher = Batcher(short, max_items=10, max_waiting=10, name="short")
    async with running(batcher):
        with pytest.raises(WhimbrelError, match="INTERNAL"):
            await batcher.submit(1)


async def test_a_caller_that_is_cancelled_while_waiting_takes_its_item_back() -> None:
    desk = Desk()
    batcher = make(desk)
    async with running(batcher):
        first = asyncio.create_task(batcher.submit(1))
        await desk.entered.wait()
        second = asyncio.create_task(batcher.submit(2))
        third = asyncio.create_task(batcher.submit(3))
        while batcher.statistics().waiting < 2:
            await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait((second,))
        desk.open.set()
        assert (await first, await third) == (10, 30)
    assert desk.batches == [[1], [3]]


async def test_the_end_answers_who_waits_and_refuses_who_comes() -> None:
    desk = Desk()
    batcher = make(desk, max_items=1)
    async with running(batcher) as task:
        in_flight = asyncio.create_task(batcher.submit(1))
        await desk.entered.wait()
        waiting = asyncio.create_task(batcher.submit(2))
        while batcher.statistics().waiting < 1:
            await asyncio.sleep(0)
        task.cancel()
        outcomes = await asyncio.gather(in_flight, waiting, return_exceptions=True)
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, WhimbrelError)]
    unknown = [o.outcome_unknown for o in outcomes if isinstance(o, WhimbrelError)]
    assert codes == [ErrorCode.UNAVAILABLE] * 2
    assert unknown == [True, False]
    with pytest.raises(WhimbrelError, match="UNAVAILABLE"):
        await batcher.submit(3)
