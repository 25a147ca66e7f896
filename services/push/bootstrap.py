"""Wires a push pod. The only file of the service that knows which adapter stands for a port."""

from __future__ import annotations

import asyncio
import random
import time

from services.push.adapters.backlog_mongo import MongoBacklog
from services.push.adapters.dead_letters_redis import RedisDeadLetters
from services.push.adapters.device_store_mongo import MongoDeviceStore
from services.push.adapters.job_stream_redis import RedisJobStream
from services.push.adapters.mark_store_mongo import MongoMarkStore
from services.push.adapters.rescan_ledger_redis import RedisRescanLedger
from services.push.adapters.unread_counts_logic import CountedByLogic
from services.push.adapters.unread_counts_redis import RedisUnreadCounts
from services.push.adapters.wake_memory_redis import RedisWakeMemory
from services.push.adapters.wake_queue_redis import RedisWakeQueue
from services.push.adapters.wishes_mongo import MongoWishes
from services.push.lane import LaneLimits
from services.push.metrics import push_metrics
from services.push.parts import open_providers
from services.push.servicer import PushServicer
from services.push.settings import DeliverySettings, PushSettings
from services.push.trace_parts import open_traces
from services.push.usecases.consume_jobs import ConsumeJobs
from services.push.usecases.judge_wakes import JudgeWakes
from services.push.usecases.look_after_push import LookAfterPush
from services.push.usecases.rescan_backlog import RescanBacklog
from services.push.usecases.schedule_wakes import ScheduleWakes
from services.push.usecases.send_wakes import SendWakes
from services.push.webhook_parts import open_events
from whimbrel.api.push.v1 import push_pb2, push_pb2_grpc
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.logic_pods import LogicPods
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.registration import Registration
from whimbrel.runtime.serve import ServiceSpec
from whimbrel.runtime.stores import open_mongo


async def start(settings: PushSettings, chassis: Chassis) -> None:
    """Open the stores and the providers, start the loops, register."""
    redis = await chassis.stack.enter_async_context(open_redis(settings.redis))
    database = await chassis.stack.enter_async_context(open_mongo(settings.mongo))
    channel = chassis.dial(settings.router.addresses)
    chassis.stack.push_async_callback(channel.close)
    logic = LogicPods(chassis.dial)
    chassis.stack.push_async_callback(logic.close)
    delivery, rescan = settings.delivery, settings.rescan
    stream = RedisJobStream(
        redis,
        chassis.pod_id,
        batch=delivery.batch,
        # The client gives up a round trip after its timeout: a blocking read must end before.
        block_seconds=settings.redis.timeout_seconds / 2,
        claim_idle_seconds=delivery.claim_idle_seconds,
    )
    queue = RedisWakeQueue(redis)
    memory = RedisWakeMemory(redis, memory_seconds=delivery.memory_seconds)
    devices = MongoDeviceStore(database)
    providers = await open_providers(settings, chassis.stack)
    traces = open_traces(chassis)
    schedule = ScheduleWakes(
        devices,
        memory,
        queue,
        providers=providers,
        wall_clock=time.time,
        delay_seconds=delivery.delay_seconds,
        lifetime_seconds=delivery.lifetime_seconds,
        max_waiting=delivery.max_waiting,
        traces=traces,
    )
    consume = ConsumeJobs(
        stream,
        schedule.handle,
        has_room=schedule.has_room,
        clock=time.monotonic,
        claim_every_seconds=delivery.claim_idle_seconds / 3,
    )
    rescan_backlog = RescanBacklog(
        RedisRescanLedger(redis, lock_seconds=rescan.lock_seconds),
        MongoBacklog(database, page_devices=rescan.page_devices),
        stream,
        interval_seconds=rescan.interval_seconds,
    )
    judge = JudgeWakes(
        MongoMarkStore(database),
        devices,
        CountedByLogic(RedisUnreadCounts(redis), logic),
        MongoWishes(database, clock=time.monotonic),
        wall_clock=time.time,
        lifetime_seconds=delivery.lifetime_seconds,
        text=delivery.text,
    )
    dead_letters = RedisDeadLetters(redis)
    lanes = [
        SendWakes(
            name,
            provider,
            queue=queue,
            judge=judge,
            memory=memory,
            devices=devices,
            dead_letters=dead_letters,
            clock=time.monotonic,
            wall_clock=time.time,
            dice=random.random,
            limits=_limits(delivery),
            traces=traces,
        )
        for name, provider in providers.items()
    ]
    look_after = LookAfterPush(
        devices,
        providers,
        queue,
        dead_letters,
        wall_clock=time.time,
        send_timeout_seconds=delivery.send_timeout_seconds,
    )
    push_pb2_grpc.add_PushServiceServicer_to_server(PushServicer(look_after), chassis.server)
    chassis.serves(push_pb2.DESCRIPTOR.services_by_name["PushService"].full_name)
    chassis.metrics.add(
        lambda: push_metrics(
            schedule.statistics(),
            judge.statistics(),
            {lane.name: lane.statistics() for lane in lanes},
            consume.times_lost,
        )
    )
    await open_events(settings.webhooks, database, chassis)
    registration = _registration(settings, chassis, router_pb2_grpc.RouterServiceStub(channel))
    registration.on_pods(logic.see)
    chassis.spawn(consume.run(), "consume")
    chassis.spawn(rescan_backlog.run(), "rescan")
    for lane in lanes:
        chassis.spawn(lane.run(), f"lane-{lane.name}")
    chassis.spawn(registration.run(), "registration")

    async def drain() -> None:
        rescan_backlog.stop()
        async with asyncio.TaskGroup() as group:
            group.create_task(consume.stop())
            for lane in lanes:
                group.create_task(lane.stop())

    # What is on its way to a provider is waited for as long as it may take.
    chassis.on_drain(drain, delivery.send_timeout_seconds + settings.pod.grace_seconds)
    chassis.on_drain(registration.unregister)


def _limits(delivery: DeliverySettings) -> LaneLimits:
    return LaneLimits(
        max_in_flight=delivery.max_in_flight,
        batch=delivery.batch,
        send_timeout_seconds=delivery.send_timeout_seconds,
        lease_seconds=delivery.lease_seconds,
        newer_delay_seconds=delivery.delay_seconds,
    )


def _registration(
    settings: PushSettings, chassis: Chassis, router: router_pb2_grpc.RouterServiceStub
) -> Registration:
    pod = router_pb2.Pod(
        pod_id=chassis.pod_id,
        incarnation=chassis.incarnation,
        role=router_pb2.POD_ROLE_PUSH,
        address=chassis.address,
        revision=settings.pod.revision,
        state=router_pb2.POD_STATE_ACTIVE,
    )
    return Registration(router, lambda: pod, watch_roles=[router_pb2.POD_ROLE_LOGIC])


SERVICE = ServiceSpec(name="push", settings_class=PushSettings, start=start)
