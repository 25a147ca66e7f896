"""Deadlines come due once, in order, whatever was set before; the timer wakes for the earliest."""

from __future__ import annotations

import asyncio
import random

import pytest

from whimbrel.runtime.ticker import Deadlines


def test_due_returns_the_earliest_first_and_only_once() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("b", 2.0)
    deadlines.set("a", 1.0)
    deadlines.set("c", 3.0)
    assert deadlines.next() == 1.0
    assert deadlines.due(2.0) == ["a", "b"]
    assert deadlines.due(2.0) == []
    assert deadlines.next() == 3.0


def test_a_deadline_moves_both_ways_and_goes() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 5.0)
    deadlines.set("a", 9.0)
    assert deadlines.due(8.0) == []
    deadlines.set("a", 8.5)
    assert deadlines.next() == 8.5
    deadlines.set("a", None)
    assert deadlines.next() is None
    assert deadlines.due(100.0) == []
    deadlines.set("a", None)
    assert len(deadlines) == 0


def test_a_removed_key_that_returns_later_is_not_early() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("a", None)
    deadlines.set("a", 5.0)
    assert deadlines.due(4.0) == []
    assert deadlines.due(5.0) == ["a"]


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_a_plain_dictionary(seed: int) -> None:
    dice = random.Random(seed)
    deadlines: Deadlines[int] = Deadlines()
    model: dict[int, float] = {}
    now = 0.0
    for _ in range(3_000):
        key = dice.randrange(30)
        if dice.random() < 0.15:
            deadlines.set(key, None)
            model.pop(key, None)
        else:
            model[key] = now + dice.choice((0.0, 0.5, 1.0, 5.0, 20.0))
            deadlines.set(key, model[key])
        if dice.random() < 0.3:
            now += dice.random()
            due = deadlines.due(now)
            assert sorted(due) == sorted(key for key, at in model.items() if at <= now)
            assert [model[key] for key in due] == sorted(model[key] for key in due)
            for key in due:
                del model[key]
        assert deadlines.next() == min(model.values(), default=None)
        assert len(deadlines) == len(model)


def test_moving_a_deadline_for_ever_does_not_grow_the_heap() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for step in range(10_000):
        deadlines.set(step % 3, 1_000_000.0 - step)  # earlier each time: an entry each time
    assert len(deadlines._heap) < 200


async def test_run_wakes_for_a_deadline_that_is_set_while_it_sleeps() -> None:
    deadlines: Deadlines[str] = Deadlines()
    loop = asyncio.get_running_loop()
    seen: asyncio.Queue[str] = asyncio.Queue()
    deadlines.set("late", loop.time() + 3_600)
    task = asyncio.create_task(deadlines.run(loop.time, seen.put_nowait))
    try:
        await asyncio.sleep(0)
        deadlines.set("soon", loop.time() + 0.01)
        async with asyncio.timeout(5):
            assert await seen.get() == "soon"
        deadlines.set("now", loop.time())
        async with asyncio.timeout(5):
            assert await seen.get() == "now"
        assert len(deadlines) == 1
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_run_lets_a_key_set_itself_again() -> None:
    deadlines: Deadlines[str] = Deadlines()
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    rounds = 0

    def on_due(key: str) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            done.set()
        else:
            deadlines.set(key, loop.time() + 0.001)

    deadlines.set("a", loop.time())
    task = asyncio.create_task(deadlines.run(loop.time, on_due))
    try:
        async with asyncio.timeout(5):
            await done.wait()
    finally:
        task.cancel()
        await asyncio.wait((task,))
    assert rounds == 3
