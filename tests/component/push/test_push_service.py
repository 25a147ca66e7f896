"""A push pod on a real Redis and a real MongoDB, from what Logic writes to the provider."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.gateway.adapters.device_store_mongo import MongoDeviceStore as GatewayDevices
from services.gateway.domain.accounts import Device
from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.push_queue_redis import RedisPushQueue
from services.logic.adapters.read_store_mongo import PULLS, MongoReadStore
from services.logic.adapters.settings_store_mongo import MongoSettingsStore
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.adapters.unread_index_redis import RedisUnreadIndex
from services.logic.domain.history import UnreadEntry
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
from services.push.bootstrap import SERVICE
from services.push.domain.notification import Notification
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from services.push.settings import DeliverySettings, PushSettings
from services.push.usecases.consume_jobs import ConsumeJobs
from services.push.usecases.judge_wakes import JudgeWakes
from services.push.usecases.rescan_backlog import RescanBacklog
from services.push.usecases.schedule_wakes import ScheduleWakes
from services.push.usecases.send_wakes import SendWakes
from tests.waiting import until
from whimbrel.runtime.serve import serve
from whimbrel.runtime.settings import MongoSettings, PodSettings, RedisSettings, RouterTarget
from whimbrel.runtime.stores import Database, open_mongo, open_redis

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
    name = f"push_{uuid4().hex[:8]}"
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(open_redis(RedisSettings(url=redis_url)))
        database = await stack.enter_async_context(
            open_mongo(MongoSettings(url=mongo_url, database=name))
        )
        await redis.flushall()
        world = World(redis, database)
        for store in (world.cursors, world.reads, world.timelines):
            await store.prepare()
        yield world
        await database.client.drop_database(name)


async def test_an_offline_user_is_woken_once_for_a_double_job(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.phone("carol", token="b2" * 32)
    await world.queue.enqueue([job(1), job(1), job(1, "carol")])
    await world.wait_for_the_moment(pod)
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    assert sorted(world.provider.seqs) == [("bob", 1), ("carol", 1)]


async def test_nobody_is_woken_before_the_moment(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(1)])
    await pod.consume.step()
    await pod.send()
    assert world.provider.sent == []
    assert await pod.wakes.length("apns") == 1


async def test_of_a_conversation_the_newest_message_is_told_once(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(1), job(2), job(3)])
    await world.wait_for_the_moment(pod)
    assert world.provider.seqs == [("bob", 3)]


async def test_each_device_is_woken(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.devices.put(Device("bob", "tablet", "ios", "apns", "c3" * 32, 1))
    await world.devices.put(Device("bob", "elsewhere", "android", "fcm", "token", 1))
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    assert {one.wake.device for one in world.provider.sent} == {"phone", "tablet"}


async def test_a_job_is_not_sent_when_the_cursor_has_passed(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(4), job(5)._replace(conversation="g:other")])
    await pod.consume.step()
    await world.cursors.raise_to([DeviceCursor("bob", "phone", 1), DeviceCursor("bob", "pc", 4)])
    await world.wait_for_the_moment(pod)
    assert world.provider.seqs == [("bob", 5)]


@pytest.mark.parametrize("marks", ["reads", "pulls"])
async def test_a_job_is_not_sent_when_the_read_mark_has_passed(world: World, marks: str) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(4), job(5)._replace(conversation="g:other")])
    await pod.consume.step()
    store = world.reads if marks == "reads" else world.pulls
    await store.raise_to("bob", CHAT, 4)
    await world.reads.raise_to("bob", "g:third", 9)
    await world.wait_for_the_moment(pod)
    assert world.provider.seqs == [("bob", 5)]


async def test_a_job_of_a_conversation_that_was_muted_since_is_not_sent(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.queue.enqueue([job(4), job(5)._replace(conversation="g:other")])
    await pod.consume.step()
    await world.settings.change("bob", CHAT, is_pinned=None, is_muted=True)
    await world.wait_for_the_moment(pod)
    assert world.provider.seqs == [("bob", 5)]


async def test_the_badge_is_all_that_is_unread_and_absent_when_nobody_knows(world: World) -> None:
    pod = world.pod()
    await world.phone()
    await world.unread.add(
        [
            UnreadEntry("bob", CHAT, 1001, 1, is_own=False),
            UnreadEntry("bob", CHAT, 1002, 2, is_own=False),
            UnreadEntry("bob", "g:team", 1003, 3, is_own=False),
        ]
    )
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    token = await world.unread.begin_rebuild("bob")
    assert await world.unread.finish_rebuild("bob", token)
    await world.queue.enqueue([job(2)])
    await world.wait_for_the_moment(pod)
    unknown, known = world.provider.sent
    assert (unknown.badge, unknown.unread, unknown.text) == (None, None, "New message")
    assert (known.badge, known.unread, known.text) == (3, 2, "New message (2)")


async def test_a_dead_token_is_removed_and_a_newer_one_stays(world: World) -> None:
    pod = world.pod()
    await world.phone()
    world.provider.outcome = Outcome(Result.DEAD_TOKEN, "Unregistered")
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    (device,) = await world.devices.list("bob")
    assert (device.push_provider, device.push_token) == ("", "")
    assert await pod.wakes.length("apns") == 0
    await world.phone(token="d4" * 32)
    world.provider.outcome = DELIVERED
    await world.queue.enqueue([job(2)])
    await world.wait_for_the_moment(pod)
    assert world.provider.sent[0].token == "d4" * 32


async def test_a_notification_that_is_refused_becomes_a_dead_letter(world: World) -> None:
    pod = world.pod()
    await world.phone()
    world.provider.outcome = Outcome(Result.REFUSED, "PayloadTooLarge")
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    (letter,) = await pod.letters.newest("", 10)
    assert (letter.provider, letter.reason, letter.wake.seq) == ("apns", "PayloadTooLarge", 1)
    assert await pod.wakes.length("apns") == 0


async def test_a_provider_that_is_unavailable_keeps_what_waits(world: World) -> None:
    pod = world.pod()
    await world.phone()
    world.provider.outcome = Outcome(Result.UNAVAILABLE, "InvalidProviderToken")
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    assert pod.lane.statistics().is_open
    assert await pod.wakes.length("apns") == 1
    world.provider.outcome = DELIVERED
    other = world.pod("push-1")  # whose breaker has seen nothing
    world.ahead_seconds += 3600.0
    await other.send()
    assert world.provider.seqs == [("bob", 1)]


async def test_what_a_killed_pod_had_in_hand_is_sent_by_another(world: World) -> None:
    killed, other = world.pod(), world.pod("push-1")
    await world.phone()
    await world.queue.enqueue([job(1)])
    await killed.consume.step()
    world.ahead_seconds += 10.0
    assert await killed.wakes.claim("apns", round(world.now() * 1000), 45_000, 10)
    await other.send()
    assert world.provider.sent == []
    world.ahead_seconds += 60.0
    await other.send()
    assert world.provider.seqs == [("bob", 1)]


async def test_a_killed_consumers_jobs_are_claimed(world: World) -> None:
    killed = RedisJobStream(world.redis, "push-0", block_seconds=0.01)
    await killed.prepare()
    await world.queue.enqueue([job(1), job(2)])
    assert len(await killed.take()) == 2
    await world.phone()
    pod = world.pod("push-1", claim_idle_seconds=0.1)
    await pod.consume_until_scheduled(1)
    await world.wait_for_the_moment(pod)
    assert world.provider.seqs == [("bob", 2)]
    assert await killed.length() == 0


async def test_a_wake_that_failed_is_tried_again(world: World) -> None:
    pod = world.pod()
    await world.phone()
    world.provider.outcome = Outcome(Result.RETRY, "TooManyRequests", 30.0)
    await world.queue.enqueue([job(1)])
    await world.wait_for_the_moment(pod)
    world.provider.outcome = DELIVERED
    world.ahead_seconds += 29.0
    await pod.send()
    assert world.provider.sent == []
    world.ahead_seconds += 5.0
    await pod.send()
    assert world.provider.seqs == [("bob", 1)]


async def test_a_flushed_redis_brings_back_jobs_of_users_behind_their_heads(world: World) -> None:
    pod = world.pod()
    consume, rescan = pod.consume, pod.rescan
    await consume.step()
    while await rescan.step():
        pass
    for number in range(8):
        await world.behind(f"user{number}", cursor=number, head=4)
        await world.phone(f"user{number}", token=f"{number:064x}")
    await world.queue.enqueue([job(4, f"user{number}") for number in range(4)])
    await world.redis.flushall()
    async with asyncio.timeout(10):
        while consume.times_lost < 2:
            await consume.step()
    while await rescan.step():
        pass
    await world.wait_for_the_moment(pod)
    assert sorted(world.provider.seqs) == [(f"user{number}", 4) for number in range(4)]
    assert not await rescan.step()


async def test_a_rescan_goes_on_where_a_killed_pod_stopped(world: World) -> None:
    pod = world.pod()
    killed = pod.rescan
    for number in range(8):
        await world.behind(f"user{number}", cursor=0, head=1)
        await world.phone(f"user{number}", token=f"{number:064x}")
    await pod.consume.step()
    assert await killed.step()
    await world.redis.delete("push:{jobs}:rescan-lock")  # which runs out by itself
    rescan = world.pod("push-1").rescan
    while await rescan.step():
        pass
    await world.wait_for_the_moment(pod)
    assert sorted(world.provider.seqs) == [(f"user{number}", 1) for number in range(8)]
    assert killed.enqueued + rescan.enqueued == 8


async def test_a_rescan_waits_while_the_stream_is_long(world: World) -> None:
    consume = world.pod().consume
    await consume.step()
    await world.behind("bob", cursor=0, head=1)
    await world.queue.enqueue([job(1, f"user{number}") for number in range(11)])
    stream = RedisJobStream(world.redis, "push-0")
    rescan = RescanBacklog(
        RedisRescanLedger(world.redis), MongoBacklog(world.database), stream, longest_stream=10
    )
    assert not await rescan.step()
    assert rescan.enqueued == 0
    await consume.step()
    await rescan.step()
    assert rescan.enqueued == 1


async def test_a_pod_stops_only_after_the_batch_in_hand(world: World) -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()
    stream = RedisJobStream(world.redis, "push-0", block_seconds=0.01)

    async def handle(received: object) -> list[str]:
        began.set()
        await goes_on.wait()
        return [one.entry_id for one in received]  # type: ignore[attr-defined]

    consume = ConsumeJobs(stream, handle, clock=time.monotonic)
    await world.queue.enqueue([job(1)])
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        group.create_task(consume.run())
        await began.wait()
        stopping = group.create_task(consume.stop())
        goes_on.set()
        await stopping
    assert await stream.length() == 0


async def test_the_service_wakes_without_a_router_and_says_so_without_a_body(
    world: World, redis_url: str, mongo_url: str
) -> None:
    settings = PushSettings(
        pod=PodSettings(id="push-7"),
        mongo=MongoSettings(url=mongo_url, database=world.database.name),
        redis=RedisSettings(url=redis_url),
        router=RouterTarget(addresses="127.0.0.1:1"),
        delivery=DeliverySettings(delay_seconds=0.0),
        console=True,
    )
    stop = asyncio.Event()
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group, asyncio.timeout(20):
            serving = group.create_task(serve(SERVICE, settings, stop=stop))
            await world.queue.enqueue([job(1)])
            await until(lambda: any(line["event"] == "user_woken" for line in logs))
            woken = [line for line in logs if line["event"] == "user_woken"]
            stop.set()
            await serving
    (said,) = woken
    assert {name: said[name] for name in ("user", "conversation", "message_id")} == {
        "user": "bob",
        "conversation": CHAT,
        "message_id": "1001",
    }
    assert await world.redis.xlen("push:{jobs}") == 0
