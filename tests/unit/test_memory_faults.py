"""The faults that tests inject into memory stores do what they say."""

from __future__ import annotations

import asyncio

import pytest

from services.logic.domain.model import TimelineEntry
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore

ENTRIES = [TimelineEntry("bob", seq) for seq in (1, 2, 3)]


async def test_a_failed_operation_did_nothing() -> None:
    store = MemoryTimelineStore()
    store.faults.fail("insert")
    with pytest.raises(WhimbrelError) as raised:
        await store.insert(ENTRIES)
    assert raised.value.code is ErrorCode.UNAVAILABLE
    assert raised.value.outcome_unknown
    assert store.timeline("bob") == []
    assert await store.insert(ENTRIES) == []


async def test_an_operation_whose_answer_is_lost_was_done() -> None:
    store = MemoryTimelineStore()
    store.faults.lose_answer("insert", times=2)
    for _ in range(2):
        with pytest.raises(WhimbrelError) as raised:
            await store.insert(ENTRIES)
        assert raised.value.outcome_unknown
    assert await store.insert(ENTRIES) == [0, 1, 2]


async def test_a_store_that_is_away_comes_back_with_what_it_had() -> None:
    store = MemoryTimelineStore()
    await store.insert(ENTRIES)
    store.faults.away = True
    with pytest.raises(WhimbrelError):
        await store.read("bob", 1, 9)
    store.faults.away = False
    assert await store.read("bob", 1, 9) == ENTRIES


async def test_others_go_first_while_an_operation_is_paused() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def pause(point: str) -> None:
        if point == "insert.before" and not arrived.is_set():
            arrived.set()
            await go_on.wait()

    store = MemoryTimelineStore(pause=pause)
    paused = asyncio.create_task(store.insert(ENTRIES))
    await arrived.wait()
    assert await store.insert(ENTRIES[:2]) == []
    go_on.set()
    assert await paused == [0, 1]


async def test_a_pause_that_raises_leaves_a_batch_half_done() -> None:
    class KilledError(Exception):
        pass

    async def pause(point: str) -> None:
        if point == "insert.each" and store.faults.reached[point] == 3:
            raise KilledError

    store = MemoryTimelineStore(pause=pause)
    with pytest.raises(KilledError):
        await store.insert(ENTRIES)
    assert store.timeline("bob") == ENTRIES[:2]
