"""A push pod on a real Redis and a real MongoDB, from what Logic writes to the provider."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.push_queue_redis import RedisPushQueue
from services.logic.adapters.read_store_mongo import PULLS, MongoReadStore
from services.logic.adapters.settings_store_mongo import MongoSettingsStore
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.domain.model import DeviceCursor, PushJob, TimelineEntry
from services.push.adapters.backlog_mongo import MongoBacklog
from services.push.adapters.job_stream_redis import RedisJobStream
from services.push.adapters.mark_store_mongo import MongoMarkStore
from services.push.adapters.rescan_ledger_redis import RedisRescanLedger
from services.push.adapters.wake_memory_redis import RedisWakeMemory
from services.push.bootstrap import SERVICE
from services.push.settings import PushSettings
from services.push.usecases.consume_jobs import ConsumeJobs
from services.push.usecases.rescan_backlog import RescanBacklog
from services.push.usecases.wake_users import WakeUsers
from tests.waiting import until
from whimbrel.core.errors import unavailable
from whimbrel.runtime.push_stream import StreamJob
from whimbrel.runtime.serve import serve
from whimbrel.runtime.settings import MongoSettings, PodSettings, RedisSettings, RouterTarget
from whimbrel.runtime.stores import Database, open_mongo, open_redis

CHAT = "d:alice:bob"


def job(seq: int, user: str = "bob") -> PushJob:
    return PushJob(user, CHAT, "alice", 1000 + seq, seq)


class Recorder:
    """A provider that notes who was woken, and dies or is away as it is told."""

    def __init__(self) -> None:
        self.woken: list[StreamJob] = []
        self.is_away = False

    async def wake(self, job: StreamJob) -> None:
        if self.is_away:
            raise unavailable("the provider is away")
        self.woken.append(job)

    @property
    def seqs(self) -> list[tuple[str, int]]:
        return [(one.user, one.seq) for one in self.woken]


class World:
    """The stores, Logic's side of them, and push pods whose steps the test takes."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self.redis = redis
        self.database = database
        self.queue = RedisPushQueue(redis)
        self.cursors = MongoCursorStore(database)
        self.reads = MongoReadStore(database)
        self.pulls = MongoReadStore(database, PULLS)
        self.settings = MongoSettingsStore(database)
        self.timelines = MongoTimelineStore(database)
        self.provider = Recorder()

    def pod(
        self, name: str = "push-0", *, claim_idle_seconds: float = 30.0
    ) -> tuple[ConsumeJobs, RescanBacklog]:
        stream = RedisJobStream(
            self.redis, name, block_seconds=0.01, claim_idle_seconds=claim_idle_seconds
        )
        wake_users = WakeUsers(
            MongoMarkStore(self.database),
            RedisWakeMemory(self.redis),
            self.provider,
            wall_clock=time.time,
        )
        consume = ConsumeJobs(
            stream,
            wake_users.handle,
            clock=time.monotonic,
            claim_every_seconds=claim_idle_seconds / 3,
            pause_seconds=0.01,
        )
        rescan = RescanBacklog(
            RedisRescanLedger(self.redis), MongoBacklog(self.database, page_devices=3), stream
        )
        return consume, rescan

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


async def consume_until(reached: Callable[[], bool], consume: ConsumeJobs) -> None:
    async with asyncio.timeout(10):
        while not reached():
            await consume.step()


async def test_an_offline_user_is_woken_once_for_a_double_job(world: World) -> None:
    consume, _ = world.pod()
    await world.queue.enqueue([job(1), job(1), job(1, "carol")])
    await consume.step()
    await world.queue.enqueue([job(1)])
    await consume.step()
    assert world.provider.seqs == [("bob", 1), ("carol", 1)]


async def test_a_job_is_not_sent_when_the_cursor_has_passed(world: World) -> None:
    consume, _ = world.pod()
    await world.queue.enqueue([job(4), job(5)])
    await world.cursors.raise_to([DeviceCursor("bob", "phone", 1), DeviceCursor("bob", "pc", 4)])
    await consume.step()
    assert world.provider.seqs == [("bob", 5)]


async def test_a_job_is_not_sent_when_the_read_mark_has_passed(world: World) -> None:
    consume, _ = world.pod()
    await world.queue.enqueue([job(4), job(5)])
    await world.reads.raise_to("bob", CHAT, 4)
    await world.reads.raise_to("bob", "g:other", 9)
    await consume.step()
    assert world.provider.seqs == [("bob", 5)]


async def test_a_job_is_not_sent_when_the_pull_mark_has_passed(world: World) -> None:
    consume, _ = world.pod()
    await world.queue.enqueue([job(4), job(5)])
    await world.reads.raise_to("bob", CHAT, 3)
    await world.pulls.raise_to("bob", CHAT, 4)
    await consume.step()
    assert world.provider.seqs == [("bob", 5)]


async def test_a_job_of_a_conversation_that_was_muted_since_is_not_sent(world: World) -> None:
    consume, _ = world.pod()
    await world.queue.enqueue([job(4), job(5)._replace(conversation="g:other")])
    await world.settings.change("bob", CHAT, is_pinned=None, is_muted=True)
    await consume.step()
    assert world.provider.seqs == [("bob", 5)]


async def test_a_killed_consumers_jobs_are_claimed(world: World) -> None:
    killed = RedisJobStream(world.redis, "push-0", block_seconds=0.01)
    await killed.prepare()
    await world.queue.enqueue([job(1), job(2)])
    assert len(await killed.take()) == 2
    consume, _ = world.pod("push-1", claim_idle_seconds=0.1)
    await consume_until(lambda: len(world.provider.woken) == 2, consume)
    assert world.provider.seqs == [("bob", 1), ("bob", 2)]
    assert await killed.length() == 0


async def test_a_wake_that_failed_is_tried_again(world: World) -> None:
    consume, _ = world.pod(claim_idle_seconds=0.1)
    world.provider.is_away = True
    await world.queue.enqueue([job(1)])
    await consume.step()
    world.provider.is_away = False
    await consume_until(lambda: bool(world.provider.woken), consume)
    assert world.provider.seqs == [("bob", 1)]


async def test_a_flushed_redis_brings_back_jobs_of_users_behind_their_heads(world: World) -> None:
    consume, rescan = world.pod()
    await consume.step()
    while await rescan.step():
        pass
    for number in range(8):
        await world.behind(f"user{number}", cursor=number, head=4)
    await world.queue.enqueue([job(4, f"user{number}") for number in range(4)])
    await world.redis.flushall()
    await consume_until(lambda: consume.times_lost == 2, consume)
    while await rescan.step():
        pass
    await consume.step()
    assert world.provider.seqs == [(f"user{number}", 4) for number in range(4)]
    assert not await rescan.step()


async def test_a_rescan_goes_on_where_a_killed_pod_stopped(world: World) -> None:
    consume, killed = world.pod()
    for number in range(8):
        await world.behind(f"user{number}", cursor=0, head=1)
    await consume.step()
    assert await killed.step()
    await world.redis.delete("push:{jobs}:rescan-lock")  # which runs out by itself
    _, rescan = world.pod("push-1")
    while await rescan.step():
        pass
    await consume.step()
    assert world.provider.seqs == [(f"user{number}", 1) for number in range(8)]
    assert killed.enqueued + rescan.enqueued == 8


async def test_a_rescan_waits_while_the_stream_is_long(world: World) -> None:
    consume, _ = world.pod()
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
