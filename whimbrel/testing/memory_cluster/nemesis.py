"""What is done to a world while it works. Every fault ends by itself; `heal` waits for them."""

from __future__ import annotations

import asyncio
from random import Random

from services.logic.domain.model import ClientKey, StoredMessage
from whimbrel.testing.memory_cluster.cluster import Cluster
from whimbrel.testing.memory_cluster.device import Device
from whimbrel.testing.memory_cluster.people import People
from whimbrel.testing.memory_cluster.plan import Plan
from whimbrel.testing.memory_cluster.record import Record

_LOOKS = 200
_LOOK_SECONDS = 0.006


class Nemesis:
    """Draws faults from the plan; one method each, named as the plan names them."""

    def __init__(
        self, plan: Plan, cluster: Cluster, people: People, record: Record, random: Random
    ) -> None:
        self._plan = plan
        self._cluster = cluster
        self._people = people
        self._record = record
        self._random = random

    async def run(self, seconds: float) -> None:
        """Make trouble for so long; all is whole again when this returns."""
        until = self._record.now() + seconds
        names, weights = list(self._plan.faults), list(self._plan.faults.values())
        async with asyncio.TaskGroup() as tasks:
            while names and self._record.now() < until:
                await asyncio.sleep(self._random.expovariate(1 / self._plan.fault_seconds))
                (name,) = self._random.choices(names, weights)
                tasks.create_task(self._do(name))

    async def _do(self, name: str) -> None:
        began = self._record.now()
        await getattr(self, name)()
        self._record.faulty(name, began)

    async def _last(self) -> None:
        await asyncio.sleep(self._random.uniform(0.2, 1.5))

    # --- connections -------------------------------------------------------------------

    async def cut_client(self) -> None:
        """A device loses its stream."""
        self._people.any_device().cut()

    async def half_open(self) -> None:
        """A device loses its stream, and its pod finds out a little later."""
        seconds = self._random.uniform(0.5, 3.0)
        self._people.any_device().half_open(seconds)
        await asyncio.sleep(seconds)

    async def stall_client(self) -> None:
        """Everything on one Access pod's streams hangs."""
        for stream in self._random.choice(list(self._cluster.access.values())).process.streams:
            stream.stall(self._random.uniform(0.3, 2.0))
        await asyncio.sleep(2.0)

    async def cut_link(self) -> None:
        """A link between Access and Logic breaks."""
        streams = self._random.choice(list(self._cluster.logic.values())).process.streams
        if streams:
            self._random.choice(streams).cut()

    async def cut_answer(self) -> None:
        """All links break when a message is stored and its sender has not heard of it."""
        if await self._find(is_whole=True) is not None:
            self._cut_links()

    async def cut_push(self) -> None:
        """Some links break at such a moment: the sender may hear of it and a reader not."""
        if await self._find(is_whole=True) is not None:
            self._cut_links(share=0.5)

    async def expel_writer(self) -> None:
        """All links break at such a moment, and the sender is no member for a while."""
        found = await self._find(is_whole=True, in_group=True)
        if found is not None:
            self._cut_links()
            device, message = found
            self._people.set_member(device.user, message.conversation, is_member=False)
            await self._last()
            self._people.set_member(device.user, message.conversation, is_member=True)

    async def blackout(self) -> None:
        """Every Logic dies in the middle of a commit; its sender may never ask again, and the
        members of the group may be others by then."""
        found = await self._find(is_whole=False, in_group=self._random.random() < 0.5)
        if found is None:
            return
        device, message = found
        dead = [one for one in self._cluster.logic.items() if one[1].process.is_alive]
        for _, pod in dead:
            pod.process.kill()
        if self._random.random() < 0.5:
            device.restart(forgets=True)
        leaver = self._random.choice(message.participants)
        if leaver != device.user:
            self._people.set_member(leaver, message.conversation, is_member=False)
        await self._last()
        for pod_id, _ in dead:
            self._cluster.start_logic(pod_id)

    async def _find(
        self, *, is_whole: bool, in_group: bool = False
    ) -> tuple[Device, StoredMessage] | None:
        """Wait a little for a message that is stored, with or without all of its entries, and
        whose sender has no answer."""
        stores = self._cluster.stores
        for _ in range(_LOOKS):
            waiting = {
                ClientKey(device.user, device.name, identifier): device
                for device in self._people.devices
                for identifier in device.waiting
            }
            for message in reversed(stores.messages.by_id.values()):
                device = waiting.get(message.key)
                if (
                    device is not None
                    and (message.conversation in self._people.groups or not in_group)
                    and is_whole == stores.is_placed(message)
                ):
                    return device, message
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    def _cut_links(self, share: float = 1.0) -> None:
        for pod in self._cluster.logic.values():
            for stream in pod.process.streams:
                if self._random.random() < share:
                    stream.cut()

    # --- processes ---------------------------------------------------------------------

    async def kill_logic(self) -> None:
        """SIGKILL, and a new process a little later."""
        pod_id, pod = self._random.choice(list(self._cluster.logic.items()))
        if pod.process.is_alive:
            pod.process.kill()
            await self._last()
            self._cluster.start_logic(pod_id)

    async def kill_access(self) -> None:
        """SIGKILL, and a new process a little later."""
        pod_id, pod = self._random.choice(list(self._cluster.access.items()))
        if pod.process.is_alive:
            pod.process.kill()
            await self._last()
            self._cluster.start_access(pod_id)

    # --- stores ------------------------------------------------------------------------

    async def flush_redis(self) -> None:
        """FLUSHALL."""
        await self._cluster.flush_redis()

    async def redis_behind(self) -> None:
        """A failover of Redis to a replica that lacks the last writes."""
        heads = self._cluster.stores.reservations.heads
        for user in heads:
            heads[user] = max(0, heads[user] - self._random.randrange(4))

    async def redis_away(self) -> None:
        """Redis does not answer; the Router with it."""
        stores = self._cluster.stores
        stores.reservations.faults.away = stores.memory.faults.away = True
        stores.directory.away = True
        await self._last()
        stores.reservations.faults.away = stores.memory.faults.away = False
        stores.directory.away = False

    async def router_away(self) -> None:
        """The Router does not answer."""
        self._cluster.stores.directory.away = True
        await self._last()
        self._cluster.stores.directory.away = False

    async def mongo_away(self) -> None:
        """MongoDB does not answer."""
        for store in self._cluster.stores.of_mongo:
            store.faults.away = True
        await self._last()
        for store in self._cluster.stores.of_mongo:
            store.faults.away = False

    async def lose_answer(self) -> None:
        """A write happens, and its writer does not hear of it."""
        stores = self._cluster.stores
        if self._random.random() < 0.2:
            stores.cursors.faults.lose_answer("raise_to")
        else:
            store = self._random.choice((stores.messages, stores.timelines))
            store.faults.lose_answer("insert")

    async def half_write(self) -> None:
        """A bulk write breaks off in the middle."""
        self._cluster.halves.pending += 1

    # --- people ------------------------------------------------------------------------

    async def restart_device(self) -> None:
        """A client program is killed and started again."""
        self._people.any_device().restart(forgets=False)

    async def forget_device(self) -> None:
        """A client program is killed, and everything that it had stored is gone."""
        self._people.any_device().restart(forgets=True)

    async def change_members(self) -> None:
        """Somebody joins or leaves a group."""
        self._people.change_members()
