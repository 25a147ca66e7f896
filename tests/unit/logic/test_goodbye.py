"""A Logic that leaves gives its worker number back only when nothing of it is half done: else
nobody would look for what is, until its lease has run out."""

from __future__ import annotations

import asyncio

from services.logic.goodbye import Goodbye
from tests.unit.logic.logic_world import World, draft, running, send
from tests.waiting import until

WORKER = 1


async def test_who_has_finished_everything_gives_the_number_back() -> None:
    world = World()
    async with running(world.logic()) as parts:
        await send(parts, draft())
        goodbye = Goodbye(parts)
        await goodbye.finish(5.0)
        await goodbye.say()
    assert world.leases.state_of(WORKER) == "released"


async def test_who_leaves_open_work_says_no_goodbye() -> None:
    world = World()
    goes_on = asyncio.Event()

    async def stand_still(point: str) -> None:
        if point == "insert.after":
            await goes_on.wait()

    async with running(world.logic()) as parts:
        world.messages.faults.pause = stand_still
        sending = asyncio.create_task(send(parts, draft()))
        await until(lambda: world.messages.faults.reached["insert.after"] == 1)
        goodbye = Goodbye(parts)
        await goodbye.finish(0.01)
        await goodbye.say()
        assert world.leases.state_of(WORKER) == "held", "a survivor will clean up"
        goes_on.set()
        await sending


async def test_who_was_cut_off_before_it_could_finish_says_none_either() -> None:
    world = World()
    async with running(world.logic()) as parts:
        await send(parts, draft())
        await Goodbye(parts).say()
    assert world.leases.state_of(WORKER) == "held"
