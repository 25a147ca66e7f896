"""What a service stands on while it runs: its server, its adapters, its tasks, its health.

`serve` makes one and drives it through start and stop; a service only adds to it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from whimbrel.runtime.interception import ErrorInterceptor
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.metrics import Metrics
from whimbrel.runtime.tls import Dial

if TYPE_CHECKING:
    from whimbrel.runtime.tracing import Tracing

_log = get_logger(__name__)


class Chassis:
    """Handed to a service's start function. One per process (or per test)."""

    def __init__(
        self,
        *,
        server: grpc.aio.Server,
        interceptor: ErrorInterceptor,
        stack: AsyncExitStack,
        metrics: Metrics,
        tracing: Tracing | None,
        pod_id: str,
        address: str,
        metrics_address: str,
        dial: Dial,
    ) -> None:
        self.server = server
        """Add servicers to it in start(); errors are already turned into statuses."""
        self.stack = stack
        """Enter adapters here; closed in reverse at the end, after the tasks."""
        self.metrics = metrics
        """Add collectors to it in start()."""
        self.tracing = tracing
        """Where spans go; None when there is no collector."""
        self.metrics_address = metrics_address
        """host:port of GET /metrics as bound; empty when nobody asked for it."""
        self.dial = dial
        """Opens a channel to other pods, as `open_channel`, with TLS where the settings say so."""
        self.address = address
        """host:port where other pods reach this one."""
        self.client_address = address
        """host:port where clients reach it; a service that has another port for them says it."""
        self.pod_id = pod_id
        """The pod's name, stable over restarts."""
        self.incarnation = secrets.token_hex(8)
        """Names this process: another one at each start."""
        self._interceptor = interceptor
        self.health = health.aio.HealthServicer()
        """What it says of itself."""
        self.health_address = ""
        """host:port where only that is served, without TLS; empty when nobody asked for it."""
        self._served: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._drains: list[tuple[Callable[[], Awaitable[None]], float | None]] = []
        self._ending = False
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        """Done when a spawned task has raised."""

    def serves(self, full_service_name: str) -> None:
        """Say that a servicer of this name was added: it gets a health status and reflection."""
        self._served.append(full_service_name)

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        """Own a background task. It is cancelled at the end; if it raises, the process ends."""
        if self._ending:
            coroutine.close()
            return
        task = asyncio.create_task(self._supervise(coroutine, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def on_drain(
        self, callback: Callable[[], Awaitable[None]], timeout_seconds: float | None = None
    ) -> None:
        """Call this after NOT_SERVING and before the server stops; the last added comes first.
        It has `timeout_seconds`, by default the grace that each step of stopping has."""
        self._drains.append((callback, timeout_seconds))

    async def set_serving(self, is_serving: bool) -> None:
        """Report SERVING or NOT_SERVING although the pod goes on: readiness follows it."""
        status = health_pb2.HealthCheckResponse
        value = status.SERVING if is_serving else status.NOT_SERVING
        for name in ("", *self._served):
            await self.health.set(name, value)

    async def open(self) -> None:
        """Start the server and report SERVING. For `serve`."""
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        names = [*self._served, health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self.server)
        await self.server.start()
        await self.set_serving(True)

    async def drain(self, grace_seconds: float) -> None:
        """Report NOT_SERVING, empty the pod, stop the server. For `serve`."""
        await self.health.enter_graceful_shutdown()
        for callback, timeout_seconds in reversed(self._drains):
            try:
                async with asyncio.timeout(timeout_seconds or grace_seconds):
                    await callback()
            except TimeoutError:
                _log.warning("drain_step_timed_out", step=_name(callback))
            # The other steps, and the clients behind them, still deserve their turn.
            except Exception:  # noqa: BLE001 - a supervised step
                _log.exception("drain_step_failed", step=_name(callback))
        await self.server.stop(grace_seconds)
        if not await self._interceptor.wait_idle(1.0):
            _log.warning("handlers_outlived_server")

    async def close(self, grace_seconds: float) -> None:
        """Stop the server at once if it still runs, and end the tasks. For `serve`."""
        self._ending = True
        await self.server.stop(0)
        await self._interceptor.wait_idle(1.0)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=grace_seconds)
            for task in stuck:
                _log.error("task_ignored_cancellation", task=task.get_name())

    async def _supervise(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await coroutine
        # The edge of a background task: its traceback is logged here, once, and the process
        # ends, because nobody knows what the pod is without this task.
        except Exception as error:  # noqa: BLE001 - a supervised task
            _log.exception("task_failed", task=name)
            if not self.failed.done():
                self.failed.set_result(error)


def _name(callback: Callable[[], Awaitable[None]]) -> str:
    return getattr(callback, "__qualname__", repr(callback))
