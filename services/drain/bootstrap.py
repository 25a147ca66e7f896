"""Wires a drain controller. The only file of the service that knows which platform it stands on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from services.drain.adapters.platform_local import open_local
from services.drain.attendance import Attendance
from services.drain.domain.facts import Registered
from services.drain.domain.planner import Planner
from services.drain.metrics import drain_metrics
from services.drain.ports import Leadership, PlanObserver, Platform
from services.drain.servicer import DrainServicer
from services.drain.settings import DrainSettings
from services.drain.tally import Tally
from services.drain.translate import registered_of
from services.drain.usecases.lead import Leader
from services.drain.usecases.operate import Operate
from services.drain.usecases.reconcile import Reconcile
from whimbrel.api.drain.v1 import drain_pb2, drain_pb2_grpc
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import invalid
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.pod_processes import fold_processes
from whimbrel.runtime.registration import Registration
from whimbrel.runtime.serve import ServiceSpec

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LOAD_SECONDS = 1.0
"""How often the load of pods that do not attend is looked at."""


async def start(settings: DrainSettings, chassis: Chassis) -> None:
    """Open the platform, then stand on it."""
    platform, leadership = await open_platform(settings, chassis)
    await start_on(platform, leadership, settings, chassis, _tracing(chassis))


def _tracing(chassis: Chassis) -> list[PlanObserver]:
    """Who makes traces of plans: nobody without a collector."""
    if chassis.tracing is None:
        return []
    # Imported when asked for: it weighs on everybody's start.
    from services.drain.adapters import plan_observer_otel as otel  # noqa: PLC0415

    return [otel.open_plan_spans(chassis.tracing, chassis.stack)]


async def open_platform(settings: DrainSettings, chassis: Chassis) -> tuple[Platform, Leadership]:
    """The adapters that the settings name; what they open is closed with the stack."""
    own = settings.platform
    if own.kind == "local":
        return open_local(settings, chassis.stack, chassis.dial)
    # Imported when asked for: this platform's client weighs 46 MB.
    from services.drain.adapters.open_kubernetes import open_kubernetes  # noqa: PLC0415

    return await open_kubernetes(
        chassis.stack,
        namespace=own.namespace or await asyncio.to_thread(_own_namespace),
        lease_name=own.lease_name,
        holder=f"{settings.pod.id}-{chassis.incarnation}",
        lease_seconds=settings.leader.lease_seconds,
    )


def _own_namespace() -> str:
    """Where Kubernetes says that this pod is."""
    try:
        return _NAMESPACE_FILE.read_text().strip()
    except OSError as error:
        raise invalid(
            f"{_NAMESPACE_FILE} cannot be read ({error.strerror}): set WHIMBREL_PLATFORM__NAMESPACE"
        ) from None


async def start_on(
    platform: Platform,
    leadership: Leadership,
    settings: DrainSettings,
    chassis: Chassis,
    observers: Sequence[PlanObserver] = (),
) -> None:
    """The controller on any platform; tests bring one in memory."""
    clock, wall_clock = time.monotonic, time.time
    channel = chassis.dial(settings.router.addresses)
    chassis.stack.push_async_callback(channel.close)
    registration = _registration(settings, chassis, router_pb2_grpc.RouterServiceStub(channel))

    def registry() -> list[Registered]:
        now, wall_ms = clock(), round(wall_clock() * 1000)
        pods = fold_processes(registration.pods.values())
        return [registered_of(pod, now, wall_ms) for pod in pods]

    def soon() -> None:
        reconcile.soon()

    planner = Planner(settings.plans.limits())
    attendance = Attendance(clock, soon)
    leader = Leader(
        leadership,
        lambda: max((report.term for report in attendance.reports().values()), default=0),
        soon,
        clock=clock,
        lease_seconds=settings.leader.lease_seconds,
        renew_seconds=settings.leader.renew_seconds,
    )
    tally = Tally()
    reconcile = Reconcile(
        platform,
        attendance,
        registry,
        leader,
        planner,
        [tally, *observers],
        clock=clock,
        wall_clock=wall_clock,
    )
    operate = Operate(platform, leader, reconcile, planner, clock=clock, wall_clock=wall_clock)
    servicer = DrainServicer(attendance, leader, reconcile, planner, operate, clock)
    drain_pb2_grpc.add_DrainServiceServicer_to_server(servicer, chassis.server)
    chassis.serves(drain_pb2.DESCRIPTOR.services_by_name["DrainService"].full_name)
    registration.on_pods(lambda _: soon())
    chassis.metrics.add(
        lambda: drain_metrics(
            leader.statistics(),
            attendance.statistics(),
            reconcile.statistics(),
            planner.statistics().pace,
            planner.book.all_holding() if leader.leads else [],
            tally.statistics(),
        )
    )

    chassis.spawn(registration.run(), "registration")
    chassis.spawn(leader.run(), "lease")
    chassis.spawn(reconcile.run(), "reconcile")
    # In reverse: gone from the registry, then no orders any more, then the lease is free.
    chassis.on_drain(leader.resign)
    chassis.on_drain(servicer.close)
    chassis.on_drain(registration.unregister)


def _registration(
    settings: DrainSettings, chassis: Chassis, router: router_pb2_grpc.RouterServiceStub
) -> Registration:
    pod = router_pb2.Pod(
        pod_id=chassis.pod_id,
        incarnation=chassis.incarnation,
        role=router_pb2.POD_ROLE_DRAIN,
        address=chassis.address,
        revision=settings.pod.revision,
        state=router_pb2.POD_STATE_ACTIVE,
        node=settings.pod.node,
        zone=settings.pod.zone,
    )
    return Registration(
        router,
        lambda: pod,
        watch_roles=(),  # the others too: a refusal names what they are
        load_interval_seconds=_LOAD_SECONDS,
    )


SERVICE = ServiceSpec(name="drain", settings_class=DrainSettings, start=start)
