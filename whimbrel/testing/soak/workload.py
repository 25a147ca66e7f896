"""The clients of a soak, all in one event loop: they come, talk at a rate, settle and leave.

come ──▶ talk (until told to stop) ──▶ settle (until nothing is due, or the time is up) ──▶ leave
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from whimbrel.core.errors import unavailable
from whimbrel.testing.soak.deaf import be_deaf
from whimbrel.testing.soak.device import Device, Target
from whimbrel.testing.soak.events import Phase
from whimbrel.testing.soak.plan import Plan, SendPlan, direct_of, members_of
from whimbrel.testing.soak.recorder import Recorder

_AT_ONCE = 1_000
"""Unanswered messages in the whole workload; beyond that it waits."""
_DEBT_SECONDS = 10.0
"""So much of the time in which it had to wait is made up for."""
_COME_AT_ONCE = 20
_COME_SECONDS = 30.0
_LEAVE_SECONDS = 8.0
_POLL_SECONDS = 0.05
_STRAGGLERS_SECONDS = 1.0
"""A message that came twice would come the second time after the last one was there."""


class Workload:
    """The clients; used inside `attached`."""

    def __init__(self, plan: Plan, target: Target, recorder: Recorder, folder: Path) -> None:
        self.plan = plan
        self.unsaid = 0
        """Messages whose device was away; another was said instead."""
        self._target = target
        self._recorder = recorder
        self._devices = {
            one.client: Device(one, target, plan.turn(one.client), recorder, folder)
            for one in plan.devices
        }
        self._groups: list[str] = []
        self._leave = asyncio.Event()
        self._stay = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[None]:
        """All clients come and form their groups (WhimbrelError when they cannot, in 30 s); at
        the end they leave, or are cut off after 8 s."""
        gate = asyncio.Semaphore(_COME_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            lives = [
                tasks.create_task(self._inhabit(device, gate)) for device in self._devices.values()
            ]
            try:
                await self._gather()
                for number, one in enumerate(self.plan.deaf):
                    random = Random(f"deaf {self.plan.spec.seed} {number}")
                    deaf = be_deaf(one, self._target, self._recorder, random, self._leave)
                    lives.append(tasks.create_task(deaf))
                yield
            finally:
                for sending in list(self._sending):
                    sending.cancel()
                self._stay.set()
                self._leave.set()
                _, late = await asyncio.wait(lives, timeout=_LEAVE_SECONDS)
                for life in late:
                    life.cancel()

    async def talk(self, stop: asyncio.Event) -> None:
        """Say what the plan says, at its rate, until `stop`."""
        self._recorder.record(Phase(self._recorder.now(), "load"))
        clock = asyncio.get_running_loop().time
        due = clock()
        for send in self.plan.sends():
            due += send.pause
            while len(self._sending) >= _AT_ONCE and not stop.is_set():
                await _pause(stop, _POLL_SECONDS)
            due = max(due, clock() - _DEBT_SECONDS)
            if clock() < due:
                await _pause(stop, due - clock())
            if stop.is_set():
                break
            if not self._begin(send):
                due -= send.pause  # the next one takes its place
        self._stay.set()

    async def settle(self, seconds: float) -> bool:
        """Let everything arrive; whether it did, in this time."""
        self._recorder.record(Phase(self._recorder.now(), "settle"))
        checker = self._recorder.checker
        for device in self._devices.values():
            device.hurry.set()
        try:
            async with asyncio.timeout(seconds):
                while self._sending or checker.outstanding or not self._all_present():
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            return False
        await asyncio.sleep(_STRAGGLERS_SECONDS)
        return True

    def _all_present(self) -> bool:
        return all(device.present.is_set() for device in self._devices.values())

    def _begin(self, send: SendPlan) -> bool:
        """Let its device send it; whether that is there."""
        device = self._devices[send.client]
        client = device.client
        if client is None:
            self.unsaid += 1
            return False
        conversation = direct_of(send) if send.group is None else self._groups[send.group]
        assert self._tasks is not None, "used inside `attached`"
        task = self._tasks.create_task(
            device.send(
                client,
                send.id,
                send.body,
                recipient=send.recipient,
                conversation=conversation,
                members=members_of(self.plan, send),
            ),
            name=f"send {send.id}",
        )
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return True

    async def _gather(self) -> None:
        try:
            async with asyncio.timeout(_COME_SECONDS):
                for device in self._devices.values():
                    await device.present.wait()
                await self._form_groups()
        except TimeoutError:
            absent = sum(not device.present.is_set() for device in self._devices.values())
            raise unavailable(
                f"{absent} of {len(self._devices)} clients could not attach in "
                f"{_COME_SECONDS:.0f} s"
            ) from None

    async def _form_groups(self) -> None:
        phones = {device.plan.user: device for device in self._devices.values()}
        for group in self.plan.groups:
            owner, *members = group.members
            client = phones[owner].client
            if client is None:
                raise TimeoutError
            self._groups.append(await client.create_group(members, name=group.name))

    async def _inhabit(self, device: Device, gate: asyncio.Semaphore) -> None:
        async with gate:
            first = asyncio.create_task(self._live(device))
            try:
                await _first_of(first, device.present)
            except asyncio.CancelledError:
                first.cancel()
                raise
        try:
            await first
        finally:
            first.cancel()

    async def _live(self, device: Device) -> None:
        if device.plan.is_restless:
            for present, away in self.plan.absences(device.plan.client):
                if self._stay.is_set():
                    break
                until = asyncio.Event()
                timer = asyncio.create_task(self._until(device, until, present))
                try:
                    await device.live(self._leave, until)
                finally:
                    timer.cancel()
                await _pause(self._leave, away)
        await device.live_on(self._leave)

    async def _until(self, device: Device, until: asyncio.Event, seconds: float) -> None:
        """Set `until` after so many seconds of presence, unless it is to stay."""
        await device.present.wait()
        await _pause(self._stay, seconds)
        if not self._stay.is_set():
            until.set()


async def _first_of(task: asyncio.Task[None], event: asyncio.Event) -> None:
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _pause(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
