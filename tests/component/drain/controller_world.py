"""Controllers between a memory platform, a real Router and pods that drain by the real machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter

from services.drain.adapters.plan_observer_otel import open_plan_spans
from services.drain.bootstrap import start_on
from services.drain.ports import PlatformPod
from services.drain.settings import (
    DrainSettings,
    LeaderSettings,
    PlanSettings,
    PlatformSettings,
)
from services.router.pod_feed import PodFeed
from services.router.servicer import RouterServicer
from tests import waiting
from tests.component.drain.fake_pods import FakePod
from tests.component.drain.operated_controller import Controller, refused
from whimbrel.api.router.v1 import router_pb2_grpc
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.core.errors import ErrorCode
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.serve import ServiceSpec, serve
from whimbrel.runtime.settings import (
    MetricsSettings,
    PodSettings,
    RouterTarget,
    ServiceSettings,
)
from whimbrel.runtime.tracing import Tracing, resource_of
from whimbrel.testing.memory_directory import MemoryDirectory
from whimbrel.testing.memory_platform import MemoryLeadership, MemoryLease, MemoryPlatform
from whimbrel.testing.servers import running_service

PATIENCE_SECONDS = 40.0
LEASE_SECONDS = 1.5
_LOOP_SECONDS = 0.02


class World:
    """Everything around the controllers. Platform pods become fake pods by themselves."""

    def __init__(self, router_address: str, directory: MemoryDirectory) -> None:
        self.platform = MemoryPlatform(auto=False)
        self.lease = MemoryLease(time.monotonic, time.time, duration_seconds=LEASE_SECONDS)
        self.directory = directory
        self.pods: dict[str, FakePod] = {}
        self.gone: list[FakePod] = []
        self.controllers: list[Controller] = []
        self.new_pod_sessions = 0
        self.max_sessions = 0
        self.router_address = router_address
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}

    # --- what a test does ------------------------------------------------------------

    def start_pods(self, *sessions: int) -> None:
        """Access pods access-0, access-1, … with so many sessions."""
        self.platform.add_workload("access", len(sessions))
        self.sync()
        access = [pod for pod in self.pods.values() if pod.role == "access"]
        for pod, held in zip(access, sessions, strict=True):
            pod.sessions = held
            pod.started_ms -= 3_600_000  # they are no newcomers

    @property
    def total(self) -> int:
        """Sessions on all pods."""
        return sum(pod.sessions for pod in self.pods.values())

    async def start_controller(
        self,
        name: str = "drain-0",
        *,
        lease: MemoryLease | None = None,
        lease_seconds: float = LEASE_SECONDS,
        spans: SpanExporter | None = None,
        **plans: Any,
    ) -> Controller:
        """A controller that has the pods' reports and, unless another one leads, leads. `spans`
        is where its traces go."""
        leadership = MemoryLeadership(lease or self.lease, name)

        async def start(settings: DrainSettings, chassis: Chassis) -> None:
            observers = []
            if spans is not None:
                tracing = Tracing(spans, resource_of("drain", settings.pod))
                chassis.stack.push_async_callback(tracing.close)
                observers.append(open_plan_spans(tracing, chassis.stack))
            await start_on(self.platform, leadership, settings, chassis, observers)

        settings = DrainSettings(
            pod=PodSettings(id=name, grace_seconds=2),
            metrics=MetricsSettings(listen="127.0.0.1:0"),
            platform=PlatformSettings(kind="local", address="127.0.0.1:1"),
            router=RouterTarget(addresses=self.router_address),
            leader=LeaderSettings(lease_seconds=lease_seconds, renew_seconds=LEASE_SECONDS / 3),
            plans=PlanSettings(**{"rebalances": False, **plans}),
        )
        ready: asyncio.Future[Chassis] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        spec = ServiceSpec("drain", DrainSettings, start)
        task = asyncio.create_task(serve(spec, settings, stop=stop, started=ready.set_result))
        await asyncio.wait((ready, task), return_when=asyncio.FIRST_COMPLETED)
        controller = Controller(ready.result(), task, stop)
        self.controllers.append(controller)
        for pod in self.pods.values():
            if pod.role == "access":
                self._spawn(pod.pod_id, pod.attend(controller.address))
        return controller

    async def led(self, *sessions: int, **plans: Any) -> Controller:
        """Pods with so many sessions, and one controller that leads and has told all of them."""
        self.start_pods(*sessions)
        controller = await self.start_controller(**plans)
        await self.until_knows(controller)
        access = [pod for pod in self.pods.values() if pod.role == "access"]
        await until(lambda: all(pod.orders for pod in access))
        return controller

    async def until_leads(self, controller: Controller) -> None:
        async def leads() -> bool:
            return (await controller.plans()).leads

        await until(leads)

    async def until_knows(self, controller: Controller) -> None:
        """It leads, and the platform and a Router have answered it."""

        async def knows() -> bool:
            return (await refused(controller.drain("nobody"))).code is ErrorCode.NOT_FOUND

        await until(knows)

    def kill_pod(self, pod_id: str) -> None:
        """SIGKILL: the process is gone."""
        for task in self._tasks.pop(pod_id, []):
            task.cancel()
        self._forget(pod_id)

    def _forget(self, pod_id: str) -> None:
        pod = self.pods.pop(pod_id)
        self.gone.append(pod)
        self.platform.remove(pod_id)

    # --- the world's own loop --------------------------------------------------------

    async def run(self) -> None:
        """A kubelet and every pod's registration."""
        async for _ in waiting.Every(_LOOP_SECONDS):
            self.sync()
            for pod in self.pods.values():
                await self.directory.register(pod.registered())

    def sync(self) -> None:
        """Start what the platform wants, stop what it does not want any more."""
        for pod_id, wanted in self.platform.pods.items():
            pod = self.pods.get(pod_id)
            if pod is None:
                self._start(pod_id, wanted)
            elif wanted.deleted_in_seconds is not None:
                pod.stop(wanted.deleted_in_seconds)
                if pod.said is DrainPhase.EMPTY or not self.controllers:
                    pod.drain.release()
                    pod.end()
                    self._forget(pod_id)

    async def close(self) -> None:
        for controller in self.controllers:
            await controller.kill()
        tasks = [task for tasks in self._tasks.values() for task in tasks]
        for task in tasks:
            task.cancel()
        for task in tasks:
            await asyncio.wait((task,))
            if not task.cancelled():
                task.result()  # what a pod holds against its orders

    def _start(self, pod_id: str, wanted: PlatformPod) -> None:
        pod = FakePod(
            pod_id,
            self.pods,
            sessions=self.new_pod_sessions,
            max_sessions=self.max_sessions if wanted.role == "access" else 0,
            role=wanted.role,
        )
        self.pods[pod_id] = pod
        if wanted.role == "access":
            self._spawn(pod_id, pod.run())
            for controller in self.controllers:
                self._spawn(pod_id, pod.attend(controller.address))
        self.platform.set_ready(pod_id)

    def _spawn(self, pod_id: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.setdefault(pod_id, []).append(asyncio.create_task(work))


@asynccontextmanager
async def world(**fields: Any) -> AsyncIterator[World]:
    """A Router, a platform without pods, and no controller yet."""
    directory = MemoryDirectory(lambda: round(time.monotonic() * 1000), lease_seconds=10.0)

    async def start_router(_: ServiceSettings, chassis: Chassis) -> None:
        feed = PodFeed(directory, poll_seconds=0.02)
        servicer = RouterServicer(directory, feed, lease_seconds=10)
        router_pb2_grpc.add_RouterServiceServicer_to_server(servicer, chassis.server)
        chassis.spawn(feed.run(), "feed")
        chassis.on_drain(feed.close)

    router = ServiceSpec("router", ServiceSettings, start_router)
    settings = ServiceSettings(pod=PodSettings(grace_seconds=2))
    async with AsyncExitStack() as stack:
        chassis = await stack.enter_async_context(running_service(router, settings))
        made = World(chassis.address, directory)
        for name, value in fields.items():
            setattr(made, name, value)
        running = asyncio.create_task(made.run())
        try:
            yield made
            if running.done():
                running.result()
        finally:
            running.cancel()
            await asyncio.wait((running,))
            await made.close()


async def until(holds: waiting.Condition, seconds: float = PATIENCE_SECONDS) -> None:
    """`waiting.until` with the patience that leases and drains need."""
    await waiting.until(holds, seconds=seconds)
