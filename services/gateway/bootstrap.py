"""Wires a gateway pod. The only file of the service that knows all of its parts."""

from __future__ import annotations

import asyncio

from services.gateway.app import make_app
from services.gateway.media_parts import open_media_storage
from services.gateway.metrics import HttpLoad, gateway_metrics
from services.gateway.parts import Parts, assemble
from services.gateway.settings import GatewaySettings, HttpSettings
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.certificates import CertificateError
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.http_server import App, HttpLimits, HttpServer
from whimbrel.runtime.http_tls import HttpTls
from whimbrel.runtime.logic_pods import LogicPods
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.registration import Registration
from whimbrel.runtime.serve import ServiceFailedError, ServiceSpec
from whimbrel.runtime.stores import open_mongo
from whimbrel.runtime.tls import files_of
from whimbrel.runtime.tls_settings import CertificateSettings

_log = get_logger(__name__)

_RETRY_SECONDS = 0.5


async def start(settings: GatewaySettings, chassis: Chassis) -> None:
    """Open the store, find Logic, serve HTTP, register."""
    database = await chassis.stack.enter_async_context(open_mongo(settings.mongo))
    channel = chassis.dial(settings.router.addresses)
    chassis.stack.push_async_callback(channel.close)
    logic = LogicPods(chassis.dial)
    chassis.stack.push_async_callback(logic.close)
    storage = await chassis.stack.enter_async_context(open_media_storage(settings.media))
    parts = assemble(settings, database, logic, storage)
    chassis.stack.callback(parts.close)
    await _until_prepared(parts)
    grace_seconds = settings.pod.grace_seconds
    load = HttpLoad()
    chassis.metrics.add(lambda: gateway_metrics(load))
    app = make_app(parts, settings.http, stall_seconds=settings.media.stall_seconds, load=load)
    http = http_server(app, settings.http, grace_seconds, settings.client_tls)
    chassis.client_address = settings.http.advertise or http.address
    registration = _registration(settings, chassis, router_pb2_grpc.RouterServiceStub(channel))
    registration.on_pods(logic.see)
    chassis.spawn(http.run(), "http")
    chassis.spawn(registration.run(), "registration")
    chassis.spawn(parts.revoke.run(), "revocations")
    if parts.media_parts is not None:
        chassis.spawn(parts.media_parts.sweep.run(), "media_sweep")
    # The last added comes first: nobody new, then what is under way.
    chassis.on_drain(http.stop, settings.http.settle_seconds + grace_seconds + 1.0)
    chassis.on_drain(registration.unregister)


def http_server(
    app: App,
    settings: HttpSettings,
    grace_seconds: float,
    client_tls: CertificateSettings | None = None,
) -> HttpServer:
    """The server of an application, its port bound. Raises ServiceFailedError."""
    limits = HttpLimits(
        head_seconds=settings.head_seconds,
        idle_seconds=settings.idle_seconds,
        max_connections=settings.max_connections,
        grace_seconds=grace_seconds,
        settle_seconds=settings.settle_seconds,
        trusted_proxies=settings.trusted_proxies,
    )
    try:
        files = None if client_tls is None else files_of(client_tls)
        tls = None if files is None else HttpTls(files)
        return HttpServer(app, settings.listen, limits, tls)
    except CertificateError as error:
        raise ServiceFailedError(str(error)) from None
    except OSError as error:
        raise ServiceFailedError(f"cannot listen on {settings.listen}: {error.strerror}") from None


async def _until_prepared(parts: Parts) -> None:
    """Services start in any order: wait for MongoDB, not SERVING meanwhile, and say so."""
    while True:
        try:
            return await parts.prepare()
        except WhimbrelError as error:
            _log.warning("store_not_ready", detail=error.detail)
        await asyncio.sleep(_RETRY_SECONDS)


def _registration(
    settings: GatewaySettings,
    chassis: Chassis,
    router: router_pb2_grpc.RouterServiceStub,
) -> Registration:
    pod = router_pb2.Pod(
        pod_id=chassis.pod_id,
        incarnation=chassis.incarnation,
        role=router_pb2.POD_ROLE_GATEWAY,
        address=chassis.address,
        client_endpoint=chassis.client_address,
        revision=settings.pod.revision,
        state=router_pb2.POD_STATE_ACTIVE,
    )
    return Registration(router, lambda: pod, watch_roles=[router_pb2.POD_ROLE_LOGIC])


SERVICE = ServiceSpec(name="gateway", settings_class=GatewaySettings, start=start)
