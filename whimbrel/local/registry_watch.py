"""Which pods the registry knows, and whether they take work: the readiness that others see.

A pod can be healthy and not be found yet, or cordoned; a rollout that counted it as ready would
stop an old one too early. Watches a Router; an unreachable one changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import grpc

from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.pod_processes import is_whole
from whimbrel.runtime.pod_table import PodTable
from whimbrel.runtime.tls import Dial

_PAUSE_SECONDS: Final = 0.3
_EXPIRY_CHECK_SECONDS: Final = 1.0


class RegistryWatch:
    """`run` is its task; ask it at any time."""

    def __init__(
        self, addresses: str, changed: Callable[[], None], dial: Dial = open_channel
    ) -> None:
        """`addresses` is host:port[,host:port] of the Routers; `changed` is called after each
        change of the registry."""
        self._addresses = addresses
        self._changed = changed
        self._dial = dial
        self._table = PodTable()

    def takes_work(self, pod_id: str) -> bool:
        """Whether it is registered, with all its processes, and neither cordoned nor draining."""
        return is_whole(self._table.pods.values(), pod_id)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with self._dial(self._addresses) as channel, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._expire(), name="registry expiry")
            stub = router_pb2_grpc.RouterServiceStub(channel)
            while True:
                try:
                    async for table in stub.WatchPods(router_pb2.WatchPodsRequest()):
                        if self._table.see(table.pods, table.registry_id, time.monotonic()):
                            self._changed()
                except grpc.aio.AioRpcError:
                    self._table.unwatched()
                check_cancelled()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRY_CHECK_SECONDS)
            if self._table.expire(time.monotonic()):
                self._changed()
