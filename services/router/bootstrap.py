"""Wires the Router."""

from __future__ import annotations

import asyncio

from services.router.adapters.directory_redis import RedisDirectory
from services.router.metrics import router_metrics
from services.router.pod_feed import PodFeed
from services.router.ports import Directory
from services.router.servicer import RouterServicer
from services.router.settings import RouterSettings
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.redis_client import open_redis
from whimbrel.runtime.serve import ServiceSpec

_log = get_logger(__name__)

_RENEW_SECONDS = 3.0


async def start(settings: RouterSettings, chassis: Chassis) -> None:
    """Redis, the feed, the servicer, and the Router's own place in the registry."""
    redis = await chassis.stack.enter_async_context(open_redis(settings.redis))
    times = settings.directory
    directory = RedisDirectory(
        redis,
        lease_seconds=times.lease_seconds,
        route_seconds=times.route_seconds,
        timeout_seconds=settings.redis.timeout_seconds,
    )
    feed = PodFeed(directory, poll_seconds=times.poll_seconds)
    servicer = RouterServicer(directory, feed, lease_seconds=times.lease_seconds)
    router_pb2_grpc.add_RouterServiceServicer_to_server(servicer, chassis.server)
    chassis.serves(router_pb2.DESCRIPTOR.services_by_name["RouterService"].full_name)

    chassis.metrics.add(lambda: router_metrics(feed.pods, feed.watchers, servicer.load))
    pod = router_pb2.Pod(
        pod_id=chassis.pod_id,
        incarnation=chassis.incarnation,
        role=router_pb2.POD_ROLE_ROUTER,
        address=chassis.address,
        revision=settings.pod.revision,
        state=router_pb2.POD_STATE_ACTIVE,
    )
    chassis.spawn(feed.run(), "pod-feed")
    chassis.spawn(_keep_registered(directory, pod), "own-lease")
    chassis.on_drain(feed.close)
    chassis.on_drain(servicer.close)


async def _keep_registered(directory: Directory, pod: router_pb2.Pod) -> None:
    """The Router asks its own directory: it needs no call to itself."""
    while True:
        try:
            await directory.register(pod)
        except WhimbrelError as error:
            _log.debug("register_failed", code=error.code.name)  # the feed has warned already
        await asyncio.sleep(_RENEW_SECONDS)


SERVICE = ServiceSpec("router", RouterSettings, start)
