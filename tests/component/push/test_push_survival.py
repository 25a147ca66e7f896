"""Push pods that are killed, stopped or refused, and a Redis that is lost: nobody who is behind is
forgotten."""

from __future__ import annotations

import asyncio
import time

from structlog.testing import capture_logs

from services.push.adapters.backlog_mongo import MongoBacklog
from services.push.adapters.job_stream_redis import RedisJobStream
from services.push.adapters.rescan_ledger_redis import RedisRescanLedger
from services.push.bootstrap import SERVICE
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from services.push.settings import DeliverySettings, PushSettings
from services.push.usecases.consume_jobs import ConsumeJobs
from services.push.usecases.rescan_backlog import RescanBacklog
from tests.component.push.push_world import CHAT, World, job, world
from tests.waiting import until
from whimbrel.runtime.serve import serve
from whimbrel.runtime.settings import MongoSettings, PodSettings, RedisSettings, RouterTarget

__all__ = ["world"]


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
