"""Push pods whose steps a test takes, on real stores filled as Logic and the gateway do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from services.gateway.adapters.device_store_mongo import MongoDeviceStore as GatewayDevices
from services.gateway.domain.accounts import Device
from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.push_queue_redis import RedisPushQueue
from services.logic.adapters.read_store_mongo import PULLS, MongoReadStore
from services.logic.adapters.settings_store_mongo import MongoSettingsStore
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.adapters.unread_index_redis import RedisUnreadIndex
from services.logic.domain.model import DeviceCursor, PushJob, TimelineEntry
from services.push.adapters.backlog_mongo import MongoBacklog
from services.push.adapters.dead_letters_redis import RedisDeadLetters
from services.push.adapters.device_store_mongo import MongoDeviceStore
from services.push.adapters.job_stream_redis import RedisJobStream
from services.push.adapters.mark_store_mongo import MongoMarkStore
from services.push.adapters.rescan_ledger_redis import RedisRescanLedger
from services.push.adapters.unread_counts_redis import RedisUnreadCounts
from services.push.adapters.wake_memory_redis import RedisWakeMemory
from services.push.adapters.wake_queue_redis import RedisWakeQueue
from services.push.adapters.wishes_mongo import MongoWishes
from services.push.domain.notification import Notification
from services.push.domain.outcomes import DELIVERED, Outcome
from services.push.usecases.consume_jobs import ConsumeJobs
from services.push.usecases.judge_wakes import JudgeWakes
from services.push.usecases.rescan_backlog import RescanBacklog
from services.push.usecases.schedule_wakes import ScheduleWakes
from services.push.usecases.send_wakes import SendWakes
from tests.stores import own_stores
from whimbrel.runtime.stores import Database

CHAT = "d:alice:bob"


def job(seq: int, user: str = "bob") -> PushJob:
    return PushJob(user, CHAT, "alice", 1000 + seq, seq)


PHONE = "a1" * 32


class Pod(NamedTuple):
    """The loops of one push pod, whose steps the test takes."""

    consume: ConsumeJobs
    rescan: RescanBacklog
    lane: SendWakes
    wakes: RedisWakeQueue
    letters: RedisDeadLetters

    async def send(self) -> None:
        """Send all that is due, and settle it."""
        async with asyncio.timeout(10):
            while True:
                async with asyncio.TaskGroup() as group:
                    claimed = await self.lane.step(group)
                if not claimed:
                    return

    async def consume_until_scheduled(self, count: int) -> None:
        async with asyncio.timeout(10):
            while await self.wakes.length("apns") < count:
                await self.consume.step()


class Recorder:
    """A provider that notes what was sent, and answers as it is told."""

    def __init__(self) -> None:
        self.sent: list[Notification] = []
        self.outcome = DELIVERED

    async def send(self, notification: Notification) -> Outcome:
        if self.outcome is DELIVERED:
            self.sent.append(notification)
        return self.outcome

    @property
    def seqs(self) -> list[tuple[str, int]]:
        return [(one.wake.user, one.wake.seq) for one in self.sent]


class World:
    """The stores, Logic's and the gateway's side of them, and push pods."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self.redis = redis
        self.database = database
        self.queue = RedisPushQueue(redis)
        self.cursors = MongoCursorStore(database)
        self.reads = MongoReadStore(database)
        self.pulls = MongoReadStore(database, PULLS)
        self.settings = MongoSettingsStore(database)
        self.timelines = MongoTimelineStore(database)
        self.devices = GatewayDevices(database)
        self.unread = RedisUnreadIndex(redis)
        self.provider = Recorder()
        self.ahead_seconds = 0.0

    def now(self) -> float:
        """The pods' wall clock, which a test moves ahead."""
        return time.time() + self.ahead_seconds

    def pod(self, name: str = "push-0", *, claim_idle_seconds: float = 30.0) -> Pod:
        stream = RedisJobStream(
            self.redis, name, block_seconds=0.01, claim_idle_seconds=claim_idle_seconds
        )
        wakes, memory = RedisWakeQueue(self.redis), RedisWakeMemory(self.redis)
        devices, letters = MongoDeviceStore(self.database), RedisDeadLetters(self.redis)
        schedule = ScheduleWakes(
            devices, memory, wakes, providers=["apns"], wall_clock=self.now, delay_seconds=3.0
        )
        judge = JudgeWakes(
            MongoMarkStore(self.database),
            devices,
            RedisUnreadCounts(self.redis),
            MongoWishes(self.database, clock=time.monotonic),
            wall_clock=self.now,
        )
        lane = SendWakes(
            "apns",
            self.provider,
            queue=wakes,
            judge=judge,
            memory=memory,
            devices=devices,
            dead_letters=letters,
            clock=time.monotonic,
            wall_clock=self.now,
            dice=lambda: 0.5,
        )
        consume = ConsumeJobs(
            stream,
            schedule.handle,
            clock=time.monotonic,
            claim_every_seconds=claim_idle_seconds / 3,
            pause_seconds=0.01,
        )
        rescan = RescanBacklog(
            RedisRescanLedger(self.redis), MongoBacklog(self.database, page_devices=3), stream
        )
        return Pod(consume, rescan, lane, wakes, letters)

    async def phone(self, user: str = "bob", *, token: str = PHONE) -> None:
        await self.devices.put(Device(user, "phone", "ios", "apns", token, 1))

    async def wait_for_the_moment(self, pod: Pod) -> None:
        """Take what waits in the stream, and let its time come."""
        await pod.consume.step()
        self.ahead_seconds += 3600.0
        await pod.send()

    async def behind(self, user: str, *, cursor: int, head: int) -> None:
        await self.cursors.raise_to([DeviceCursor(user, "phone", cursor)])
        await self.timelines.insert(
            [TimelineEntry(user, seq, 1000 + seq, CHAT, "alice") for seq in range(1, head + 1)]
        )


@pytest.fixture
async def world(redis_url: str, mongo_url: str) -> AsyncIterator[World]:
    async with own_stores(redis_url, mongo_url) as (redis, database):
        world = World(redis, database)
        for store in (world.cursors, world.reads, world.timelines):
            await store.prepare()
        yield world
