"""A world from its first moment to its verdict: trouble, then quiet, then everybody speaks once.

result = run_world(seed, plan)       the same seed and plan give the same world
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random as dice
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import structlog

from whimbrel.testing.memory_cluster.cluster import Cluster, MakeStores
from whimbrel.testing.memory_cluster.nemesis import Nemesis
from whimbrel.testing.memory_cluster.people import People
from whimbrel.testing.memory_cluster.plan import Plan
from whimbrel.testing.memory_cluster.record import Record
from whimbrel.testing.memory_cluster.stores import WorldStores, sound_stores
from whimbrel.testing.memory_cluster.virtual_time import run_simulated
from whimbrel.testing.soak.events import Phase, Run

SETTLE_SECONDS = 16.0
"""What a crash leaves half done is whole within 15 s."""
CALM_SECONDS = 4.0
_STEP_SECONDS = 0.25


class World:
    """One run. `record` and `stores` are what the verdict is made of."""

    def __init__(self, seed: int, plan: Plan, make_stores: MakeStores = sound_stores) -> None:
        self.seed = seed
        self.plan = plan
        self.record = Record(lambda: asyncio.get_running_loop().time())
        self._make_stores = make_stores
        self.stores: WorldStores
        self.people: People
        self.crashes: list[str] = []

    async def run(self) -> None:
        """Live through it."""
        record, plan, random = self.record, self.plan, Random(self.seed)
        record.add(Run(record.now(), self.seed, {}))
        async with asyncio.TaskGroup() as tasks:
            own: list[asyncio.Task[None]] = []
            cluster = Cluster(plan, random, tasks, self._make_stores)
            self.stores, self.crashes = cluster.stores, cluster.crashes
            self.people = people = People(plan, cluster, record, random)
            nemesis = Nemesis(plan, cluster, people, record, random)
            cluster.start()
            own += [tasks.create_task(device.run()) for device in people.devices]
            own.append(tasks.create_task(self._watch_cursors()))
            await self._until(lambda: people.are_current, 10.0)
            async with asyncio.TaskGroup() as trouble:
                trouble.create_task(people.talk(plan.trouble_seconds))
                trouble.create_task(nemesis.run(plan.trouble_seconds))
            record.add(Phase(record.now(), "settle"))
            await asyncio.sleep(SETTLE_SECONDS)
            await self._until(lambda: people.are_current, plan.quiet_seconds - SETTLE_SECONDS)
            people.everybody_speaks()
            await asyncio.sleep(CALM_SECONDS)
            await self._until(lambda: people.are_current, 10.0)
            for process in cluster.processes:
                process.kill()
            for task in own:
                task.cancel()
        record.unanswered += [
            f"{device.client} {identifier}"
            for device in people.devices
            for identifier in device.waiting
        ]

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait, but not for ever: what did not come true the verdict finds."""
        until = self.record.now() + seconds
        while not condition() and self.record.now() < until:
            await asyncio.sleep(_STEP_SECONDS)

    async def _watch_cursors(self) -> None:
        """A stored cursor never sinks, whoever looks (promise 5)."""
        highest: dict[tuple[str, str], int] = {}
        while True:
            for device, cursor in self.stores.cursors.cursors.items():
                if cursor < highest.get(device, 0):
                    self.record.problems.append(
                        f"the stored cursor of {'/'.join(device)} sank from {highest[device]} "
                        f"to {cursor}"
                    )
                highest[device] = cursor
            await asyncio.sleep(_STEP_SECONDS)


def run_world(seed: int, plan: Plan | None = None, make_stores: MakeStores = sound_stores) -> World:
    """Run a world to its end, in simulated time."""
    world = World(seed, plan or Plan(), make_stores)
    with _silence(), _seeded_dice(seed), _without_collecting():
        run_simulated(world.run)
    return world


@contextmanager
def _seeded_dice(seed: int) -> Iterator[None]:
    """The product throws the process's own dice for its pauses: they are the world's here."""
    state = dice.getstate()
    dice.seed(seed)
    try:
        yield
    finally:
        dice.setstate(state)


@contextmanager
def _silence() -> Iterator[None]:
    """The pods log what is done to them, line by line; here the record tells it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """A world is small and short: collecting garbage meanwhile only takes time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
