"""The pod at the controllers: one long stream to each, reports out, orders in.

Every controller hears the pod, so that a new leader knows it at once. Without any controller
nothing is missing but pace.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc

from whimbrel.api.drain.v1 import drain_pb2, drain_pb2_grpc
from whimbrel.api.router.v1 import router_pb2
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.tls import Dial

_log = get_logger(__name__)

_REPORT_SECONDS: Final = 0.5
_BACKOFF_SECONDS: Final = 2.0
_GONE = (grpc.aio.AioRpcError, grpc.aio.BaseError, asyncio.InvalidStateError)


class Attending:
    """`run` owns the streams; one for each controller in the registry."""

    def __init__(
        self,
        report: Callable[[], drain_pb2.AttendRequest],
        on_order: Callable[[drain_pb2.AttendResponse], None],
        dial: Dial = open_channel,
    ) -> None:
        self._report = report
        self._on_order = on_order
        self._dial = dial
        self._wanted: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._news = asyncio.Event()

    def see(self, pods: Mapping[str, router_pb2.Pod]) -> None:
        """The registry's table has changed."""
        wanted = {
            pod.address: pod.incarnation
            for pod in pods.values()
            if pod.role == router_pb2.POD_ROLE_DRAIN
        }
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    def report_soon(self) -> None:
        """Something has changed that a controller waits for."""
        self._news.set()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        running: dict[tuple[str, str], asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            try:
                while True:
                    self._changed.clear()
                    wanted = set(self._wanted.items())
                    for process in running.keys() - wanted:
                        running.pop(process).cancel()
                    for process in wanted - running.keys():
                        name = f"attend-{process[0]}"
                        running[process] = tasks.create_task(self._attend(*process), name=name)
                    await self._changed.wait()
            finally:
                self._wanted = {}

    async def _attend(self, address: str, incarnation: str) -> None:
        async with self._dial(address) as channel:
            stub = drain_pb2_grpc.DrainServiceStub(channel)
            # Looked at each time: a cancellation may have been swallowed by grpc, see
            # runtime.cancelling.
            while self._wanted.get(address) == incarnation:
                call = stub.Attend()
                try:
                    async with asyncio.TaskGroup() as tasks:
                        reporting = tasks.create_task(self._write(call))
                        await self._read(call)
                        reporting.cancel()
                except* _GONE as group:
                    _log.debug("attend_failed", at=address, error=repr(group.exceptions[0]))
                finally:
                    call.cancel()
                await asyncio.sleep(_BACKOFF_SECONDS * (0.25 + 0.75 * random.random()))

    # The stubs give these calls a type that only exists in the stubs.
    async def _write(self, call: Any) -> None:
        while True:
            news = self._news
            await call.write(self._report())
            try:
                async with asyncio.timeout(_REPORT_SECONDS):
                    await news.wait()
            except TimeoutError:
                continue

    async def _read(self, call: Any) -> None:
        while isinstance(order := await call.read(), drain_pb2.AttendResponse):
            self._on_order(order)
