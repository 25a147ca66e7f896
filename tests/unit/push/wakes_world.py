"""The lane of one provider on memory, and a provider that does as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from services.logic.domain.history import UnreadEntry
from services.push.domain.notification import Notification
from services.push.domain.outcomes import DELIVERED, Outcome
from services.push.domain.sifting import ReceivedJob
from services.push.domain.wakes import Wake
from services.push.lane import LaneLimits
from services.push.usecases.judge_wakes import JudgeWakes
from services.push.usecases.schedule_wakes import ScheduleWakes
from services.push.usecases.send_wakes import SendWakes
from services.push.wake_ports import PushDevice
from whimbrel.runtime.push_stream import StreamJob
from whimbrel.testing.memory_stores.push_stores import (
    MemoryDeadLetters,
    MemoryDevices,
    MemoryMarks,
    MemoryUnreadCounts,
    MemoryWakeMemory,
    MemoryWishes,
)
from whimbrel.testing.memory_stores.wake_queue import MemoryWakeQueue

CHAT = "d:alice:bob"
PHONE = PushDevice("bob", "phone", "ios", "apns", "aa11")
START = 1_700_000_000.0


class Provider:
    """Answers as the test says."""

    def __init__(self) -> None:
        self.sent: list[Notification] = []
        self.answer: Callable[[Notification], Outcome] = lambda _notification: DELIVERED
        self.hangs = False
        self.goes_on = asyncio.Event()

    async def send(self, notification: Notification) -> Outcome:
        self.sent.append(notification)
        if self.hangs:
            await self.goes_on.wait()
        return self.answer(notification)


class World:
    """A lane on memory, and a clock for everything."""

    def __init__(self) -> None:
        self.now = START
        self.provider = Provider()
        self.queue = MemoryWakeQueue()
        self.memory = MemoryWakeMemory()
        self.devices = MemoryDevices([PHONE])
        self.letters = MemoryDeadLetters()
        self.marks = MemoryMarks()
        self.unread = MemoryUnreadCounts()
        self.wishes = MemoryWishes()
        self.judge = JudgeWakes(
            self.marks, self.devices, self.unread, self.wishes, wall_clock=lambda: self.now
        )
        self.schedule = ScheduleWakes(
            self.devices,
            self.memory,
            self.queue,
            providers=["apns"],
            wall_clock=lambda: self.now,
            max_waiting=3,
        )
        self.lane = SendWakes(
            "apns",
            self.provider,
            queue=self.queue,
            judge=self.judge,
            memory=self.memory,
            devices=self.devices,
            dead_letters=self.letters,
            clock=lambda: self.now,
            wall_clock=lambda: self.now,
            dice=lambda: 0.0,
            limits=LaneLimits(
                max_in_flight=3, send_timeout_seconds=0.05, linger_seconds=0.0, idle_seconds=0.01
            ),
        )

    async def owe(self, *seqs: int, conversation: str = CHAT) -> None:
        wakes = [
            (Wake("bob", "phone", conversation, "alice", 1000 + seq, seq, self.now_ms), self.now_ms)
            for seq in seqs
        ]
        await self.queue.schedule("apns", wakes)

    async def count_unread(self, unread: dict[str, int]) -> None:
        for conversation, count in unread.items():
            seqs = range(1, count + 1)
            await self.unread.index.add(
                [UnreadEntry("bob", conversation, 1000 + seq, seq, False) for seq in seqs]
            )
        token = await self.unread.index.begin_rebuild("bob")
        assert await self.unread.index.finish_rebuild("bob", token)

    async def take(self, *jobs: StreamJob) -> None:
        received = [ReceivedJob(f"{self.now_ms}-{n}", job) for n, job in enumerate(jobs)]
        assert len(await self.schedule.handle(received)) == len(jobs)

    async def send(self) -> None:
        """All that is due now, settled."""
        while True:
            async with asyncio.TaskGroup() as group:
                if not await self.lane.step(group):
                    return

    @property
    def now_ms(self) -> int:
        return round(self.now * 1000)

    @property
    def told(self) -> list[int]:
        return [one.wake.seq for one in self.provider.sent]


@pytest.fixture
def world() -> World:
    return World()
