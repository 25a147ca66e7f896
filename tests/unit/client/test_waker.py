"""When a sleeper is worth a poke: only while it sleeps, and nobody has woken it."""

from __future__ import annotations

import asyncio

from whimbrel.client.waker import Waker


async def asleep(waker: Waker, seconds: float = 60.0) -> asyncio.Task[None]:
    """A task that sleeps on it."""
    deadline = asyncio.get_running_loop().time() + seconds
    task = asyncio.create_task(waker.wait_until(deadline))
    while not waker.is_asleep:
        await asyncio.sleep(0)
    return task


async def test_a_poke_that_is_due_wakes_and_no_other_is_needed_until_the_next_sleep() -> None:
    waker = Waker()
    assert not waker.is_asleep
    first = await asleep(waker)
    waker.poke(-float("inf"))
    assert not waker.is_asleep, "it is on its way: the next who pokes need not ask for a moment"
    await asyncio.wait_for(first, 5)
    second = await asleep(waker)
    waker.poke(asyncio.get_running_loop().time() + 30)
    assert waker.is_asleep, "it sleeps on, though not so long"
    waker.poke(-float("inf"))
    await asyncio.wait_for(second, 5)
    assert not waker.is_asleep
