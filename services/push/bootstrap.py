"""Wires a push pod. The only file of the service that knows which adapter stands for a port."""

from __future__ import annotations

import time

from services.push.adapters.backlog_mongo import MongoBacklog
from services.push.adapters.job_stream_redis import RedisJobStream
from services.push.adapters.mark_store_mongo import MongoMarkStore
from services.push.adapters.provider_console import ConsoleProvider
from services.push.adapters.rescan_ledger_redis import RedisRescanLedger
from services.push.adapters.wake_memory_redis import RedisWakeMemory
from services.push.metrics import push_metrics
from services.push.settings import PushSettings
from services.push.usecases.consume_jobs import ConsumeJobs
from services.push.usecases.rescan_backlog import RescanBacklog
from services.push.usecases.wake_users import WakeUsers
from services.push.webhook_parts import deliver_events
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.registration import Registration
from whimbrel.runtime.serve import ServiceSpec
from whimbrel.runtime.stores import open_mongo, open_redis


async def start(settings: PushSettings, chassis: Chassis) -> None:
    """Open the stores, start the two loops, register."""
    redis = await chassis.stack.enter_async_context(open_redis(settings.redis))
    database = await chassis.stack.enter_async_context(open_mongo(settings.mongo))
    channel = open_channel(settings.router.addresses)
    chassis.stack.push_async_callback(channel.close)
    delivery, rescan = settings.delivery, settings.rescan
    stream = RedisJobStream(
        redis,
        chassis.pod_id,
        batch=delivery.batch,
        # The client gives up a round trip after its timeout: a blocking read must end before.
        block_seconds=settings.redis.timeout_seconds / 2,
        claim_idle_seconds=delivery.claim_idle_seconds,
    )
    wake_users = WakeUsers(
        MongoMarkStore(database),
        RedisWakeMemory(redis, memory_seconds=delivery.memory_seconds),
        ConsoleProvider(),
        wall_clock=time.time,
        wake_timeout_seconds=delivery.wake_timeout_seconds,
        lifetime_seconds=delivery.lifetime_seconds,
    )
    consume = ConsumeJobs(
        stream,
        wake_users.handle,
        clock=time.monotonic,
        claim_every_seconds=delivery.claim_idle_seconds / 3,
    )
    rescan_backlog = RescanBacklog(
        RedisRescanLedger(redis, lock_seconds=rescan.lock_seconds),
        MongoBacklog(database, page_devices=rescan.page_devices),
        stream,
        interval_seconds=rescan.interval_seconds,
    )
    chassis.metrics.add(lambda: push_metrics(wake_users.statistics(), consume.times_lost))
    await deliver_events(settings.webhooks, database, chassis)
    registration = _registration(settings, chassis, router_pb2_grpc.RouterServiceStub(channel))
    chassis.spawn(consume.run(), "consume")
    chassis.spawn(rescan_backlog.run(), "rescan")
    chassis.spawn(registration.run(), "registration")

    async def drain() -> None:
        rescan_backlog.stop()
        await consume.stop()

    chassis.on_drain(drain)
    chassis.on_drain(registration.unregister)


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
    return Registration(router, lambda: pod, watch_roles=[router_pb2.POD_ROLE_PUSH])


SERVICE = ServiceSpec(name="push", settings_class=PushSettings, start=start)
