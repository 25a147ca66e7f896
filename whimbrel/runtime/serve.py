"""The only start and stop sequence of a service.

Start: metrics, port, adapters and servicers (the service's `start`), server, health SERVING.
Stop, on SIGTERM or SIGINT: NOT_SERVING, drain, server, tasks, adapters in reverse, metrics: what a
pod does while it empties is what is watched most. Must not know any service. What makes a program
of it (arguments, signals, exit status) is in `program`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import grpc

from whimbrel.runtime import logs
from whimbrel.runtime.call_load import call_metrics
from whimbrel.runtime.callers import caller_metrics, callers_of
from whimbrel.runtime.certificates import CertificateError
from whimbrel.runtime.channels import server_options
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.health_port import health_port
from whimbrel.runtime.interception import ErrorInterceptor
from whimbrel.runtime.loop_lag import LoopLag
from whimbrel.runtime.metrics import Metrics
from whimbrel.runtime.port_guard import is_taken
from whimbrel.runtime.service_metrics import service_metrics
from whimbrel.runtime.settings import MetricsSettings, PodSettings, ServiceSettings
from whimbrel.runtime.tls import Dial, dialer, files_of, server_credentials

if TYPE_CHECKING:
    from whimbrel.runtime.tracing import Tracing

S = TypeVar("S", bound=ServiceSettings)

_log = logs.get_logger(__name__)


@dataclass(frozen=True)
class ServiceSpec(Generic[S]):
    """What makes a service: its name, its settings, and the function that wires it."""

    name: str
    settings_class: type[S]
    start: Callable[[S, Chassis], Awaitable[None]]
    client_facing: bool = False
    """True for a server that clients reach: tighter limits (`channels.server_options`)."""


class ServiceFailedError(Exception):
    """The service could not start, or a task of it failed. Its reason is logged already, unless
    the message says more."""


async def serve(
    spec: ServiceSpec[S],
    settings: S,
    *,
    stop: asyncio.Event | None = None,
    started: Callable[[Chassis], None] | None = None,
) -> None:
    """Run the service until `stop` is set; `started` is called once it reports SERVING.

    Raises ServiceFailedError when a port is taken or a spawned task raised; what the
    service's own start raises passes through. Cancelling it stops without draining.
    """
    stop = stop or asyncio.Event()
    grace = settings.pod.grace_seconds
    metrics = Metrics(spec.name, settings.pod.revision)
    async with AsyncExitStack() as stack:
        metrics_address = await _show(metrics, settings.metrics, stack)
        callers = callers_of(settings.tls, client_facing=spec.client_facing)
        interceptor = ErrorInterceptor(None if callers is None else callers.admit)
        if callers is not None:
            metrics.add(partial(caller_metrics, callers))
        metrics.add(partial(call_metrics, interceptor.load))
        lag = LoopLag()
        metrics.add(lambda: service_metrics(lag.worst_ms, interceptor.refused))
        credentials, dial = _tls(settings, client_facing=spec.client_facing)
        server = grpc.aio.server(
            interceptors=[interceptor],
            options=server_options(
                client_facing=spec.client_facing,
                # Where clients come, the shell keeps the banned out by a socket beside ours.
                shares_port=spec.client_facing or settings.shares_port,
            ),
        )
        chassis = Chassis(
            server=server,
            interceptor=interceptor,
            stack=stack,
            metrics=metrics,
            tracing=await _trace(settings, stack),
            pod_id=settings.pod.id,
            address=_bind(server, settings.pod, credentials, shares_port=settings.shares_port),
            metrics_address=metrics_address,
            dial=dial,
        )
        if metrics_address:
            chassis.spawn(lag.run(), "service-loop-lag")
        try:
            if await _started(spec.start(settings, chassis), stop):
                await chassis.open()
                await _show_health(chassis, settings, stack)
                _log.info(
                    "service_started",
                    service=spec.name,
                    address=chassis.address,
                    metrics=metrics_address,
                )
                if started is not None:
                    started(chassis)
                await _first(stop, chassis.failed)
                await chassis.drain(grace)
        finally:
            await chassis.close(grace)
    if chassis.failed.done():
        raise ServiceFailedError("a background task failed") from chassis.failed.result()
    _log.info("service_stopped", service=spec.name)


async def _show(metrics: Metrics, settings: MetricsSettings, stack: AsyncExitStack) -> str:
    """Open the endpoint if it is wanted; its address."""
    if settings.listen is None:
        return ""
    # Here, because the HTTP server takes 0.3 s to import.
    from whimbrel.runtime.metrics_endpoint import metrics_endpoint  # noqa: PLC0415

    try:
        return await stack.enter_async_context(metrics_endpoint(settings.listen, metrics))
    except OSError as error:
        raise ServiceFailedError(
            f"cannot show metrics on {settings.listen}: {error.strerror}"
        ) from error


def _tls(
    settings: ServiceSettings, *, client_facing: bool
) -> tuple[grpc.ServerCredentials | None, Dial]:
    """What the port shows, None for no TLS there, and how other pods are called."""
    try:
        files = files_of(settings.client_tls if client_facing else settings.tls)
        return None if files is None else server_credentials(files), dialer(settings.tls)
    except CertificateError as error:
        raise ServiceFailedError(str(error)) from None


async def _show_health(chassis: Chassis, settings: ServiceSettings, stack: AsyncExitStack) -> None:
    """Open the port for probes if it is wanted."""
    listen = settings.tls.health_listen
    if listen is None:
        return
    try:
        chassis.health_address = await stack.enter_async_context(
            health_port(listen, chassis.health, shares_port=settings.shares_port)
        )
    except OSError as error:
        raise ServiceFailedError(f"no port for probes: {error}") from None


async def _trace(settings: ServiceSettings, stack: AsyncExitStack) -> Tracing | None:
    """The way out for spans, if there is a collector."""
    if settings.otlp_endpoint is None:
        return None
    # Imported when asked for: it starts a thread, and weighs on everybody's start.
    from whimbrel.runtime.tracing import open_tracing  # noqa: PLC0415

    opened = open_tracing(settings.otlp_endpoint, settings.role, settings.pod)
    return await stack.enter_async_context(opened)


def _bind(
    server: grpc.aio.Server,
    pod: PodSettings,
    credentials: grpc.ServerCredentials | None,
    *,
    shares_port: bool,
) -> str:
    """Bind the port; the address where other pods reach it. `shares_port`: with other processes
    of the pod, whose parent has seen to it that nobody else is there."""
    try:
        if not shares_port and is_taken(pod.listen):  # gRPC might share it without a word
            port = 0
        elif credentials is None:
            port = server.add_insecure_port(pod.listen)
        else:
            port = server.add_secure_port(pod.listen, credentials)
    except RuntimeError:
        port = 0
    if not port:
        raise ServiceFailedError(
            f"cannot listen on {pod.listen}: the port is taken, or the address is not ours"
        )
    if pod.advertise is None:
        return f"{pod.listen.rpartition(':')[0]}:{port}"
    host, colon, advertised = pod.advertise.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        return f"{pod.advertise}:{port}"
    return pod.advertise if advertised not in ("", "0") else f"{host}:{port}"


async def _started(start: Awaitable[None], stop: asyncio.Event) -> bool:
    """Wait for the service's start, which may wait for a store; False when it was told to stop
    before."""
    starting = asyncio.ensure_future(start)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return False
        await starting
        return True
    finally:
        stopping.cancel()
        starting.cancel()
        await asyncio.wait((starting,))


async def _first(stop: asyncio.Event, failed: asyncio.Future[BaseException]) -> None:
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((stopping, failed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
