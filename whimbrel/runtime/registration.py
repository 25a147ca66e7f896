"""What every pod does with the Router: keep its lease, and know the other pods.

It never gives up and never empties its table because a Router or its Redis is away: what was
last seen stays until a table says otherwise for a whole lease (rule 12).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

import grpc

from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.pod_table import PodTable

_log = get_logger(__name__)

_CALL_SECONDS: Final = 2.0
_GOODBYE_SECONDS: Final = 1.0
_FIRST_BACKOFF_SECONDS: Final = 0.1
_LONGEST_BACKOFF_SECONDS: Final = 2.0
_EXPIRY_CHECK_SECONDS: Final = 1.0

Pods = Mapping[str, router_pb2.Pod]


class Registration:
    """One per pod; `run` is its task. Callbacks run in that task and must be quick."""

    def __init__(
        self,
        router: router_pb2_grpc.RouterServiceStub,
        pod: Callable[[], router_pb2.Pod],
        *,
        watch_roles: Collection[router_pb2.PodRole.ValueType],
        load_interval_seconds: float = 0.0,
        renew_seconds: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pod` is asked before each renewal, so that its state and load are the current ones.
        `watch_roles`: the roles of the pods to know; empty for all. `load_interval_seconds`: also
        be told when only their load has changed, not more often than this; 0: never.
        """
        self._router = router
        self._pod = pod
        self._request = router_pb2.WatchPodsRequest(
            roles=list(watch_roles), load_interval_ms=round(load_interval_seconds * 1000)
        )
        self._renew_seconds = renew_seconds
        self._clock = clock
        self._table = PodTable()
        self._registry_id: str | None = None
        self._renew_now = asyncio.Event()
        self._registering = asyncio.Lock()
        self._unregistered = False
        self._pods_callbacks: list[Callable[[Pods], None]] = []
        self._lost_callbacks: list[Callable[[], None]] = []

    @property
    def pods(self) -> Pods:
        """The pods of the watched roles, by pod_id, as last seen. A live view: do not keep it
        across an await if it must not change."""
        return MappingProxyType(self._table.pods)

    @property
    def registered(self) -> bool:
        """Whether a Router has accepted this pod at least once."""
        return self._registry_id is not None

    @property
    def registry_id(self) -> str | None:
        """The life of the directory's Redis, as the last answer named it; None before one."""
        return self._registry_id

    def on_pods(self, callback: Callable[[Pods], None]) -> None:
        """Call this after each change of `pods`."""
        self._pods_callbacks.append(callback)

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call this when the registry did not know this pod any more: its lease had run out or
        Redis was lost, and routes with it. "Re-assert everything now"; this pod is registered
        again when it is called."""
        self._lost_callbacks.append(callback)

    def renew(self) -> None:
        """Register at once, because what `pod` says has changed (a drain, a cordon)."""
        self._renew_now.set()

    async def run(self) -> None:
        """Renew the lease and watch the pods until cancelled. An unreachable Router never ends
        it; what a callback raises does."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_lease())
            group.create_task(self._keep_watching())
            group.create_task(self._expire())

    async def unregister(self) -> None:
        """Say goodbye: no more renewals, and the lease ends now if a Router answers in 1 s."""
        self._unregistered = True
        pod = self._pod()
        request = router_pb2.UnregisterRequest(pod_id=pod.pod_id, incarnation=pod.incarnation)
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS), self._registering:
                await self._router.Unregister(request, timeout=_GOODBYE_SECONDS)
        except (grpc.aio.AioRpcError, TimeoutError):
            _log.warning("unregister_failed")  # the lease runs out by itself

    async def _keep_lease(self) -> None:
        failures = 0
        while not self._unregistered:
            self._renew_now.clear()
            failures = 0 if await self._register(failures) else failures + 1
            wait = self._renew_seconds if failures == 0 else _backoff(failures)
            try:
                async with asyncio.timeout(wait):
                    await self._renew_now.wait()
            except TimeoutError:
                continue

    async def _register(self, failures: int) -> bool:
        async with self._registering:
            if self._unregistered:
                return True
            try:
                answer = await self._router.Register(
                    router_pb2.RegisterRequest(pod=self._pod()), timeout=_CALL_SECONDS
                )
            except grpc.aio.AioRpcError as error:
                check_cancelled()
                if failures == 0:
                    _log.warning("register_failed", status=error.code().name)
                return False
        if failures:
            _log.info("register_recovered", failures=failures)
        before, self._registry_id = self._registry_id, answer.registry_id
        if before is not None and (before != answer.registry_id or not answer.was_known):
            _log.warning("lease_lost", registry_changed=before != answer.registry_id)
            for callback in self._lost_callbacks:
                callback()
        return True

    async def _keep_watching(self) -> None:
        failures = 0
        while True:
            try:
                async for table in self._router.WatchPods(self._request):
                    failures = 0
                    self._see(table)
            except grpc.aio.AioRpcError as error:
                if failures == 0:
                    _log.warning("watch_broken", status=error.code().name)
            check_cancelled()
            failures += 1
            self._table.unwatched()
            await asyncio.sleep(_backoff(failures))

    def _see(self, seen: router_pb2.WatchPodsResponse) -> None:
        if self._registry_id not in (None, seen.registry_id):
            self._renew_now.set()  # Redis was lost: be in the new registry before the others look
        if self._table.see(seen.pods, seen.registry_id, self._clock()):
            self._tell_pods()

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRY_CHECK_SECONDS)
            if self._table.expire(self._clock()):
                self._tell_pods()

    def _tell_pods(self) -> None:
        for callback in self._pods_callbacks:
            callback(self.pods)


def _backoff(failures: int) -> float:
    """Full jitter over a doubling ceiling: pods that lost one Router must not return together."""
    ceiling = min(_LONGEST_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2.0 ** min(failures, 10))
    return ceiling * (0.25 + 0.75 * random.random())
