"""One look at the registry for everybody who watches it.

However many pods watch, Redis is asked twice a second. A watcher that is slow skips tables: it
gets the newest one, so nothing piles up. When the store is away the last table stays and
nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Collection

from services.router.ports import Directory, Registry
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)


class PodFeed:
    """`run` is its task; `watch` any number of readers."""

    def __init__(self, directory: Directory, *, poll_seconds: float) -> None:
        self._directory = directory
        self._poll_seconds = poll_seconds
        self._latest: Registry | None = None
        self._shape: Registry | None = None
        self._changed = asyncio.Event()
        self._loaded = asyncio.Event()
        self._closed = False
        self._watchers = 0

    @property
    def pods(self) -> tuple[router_pb2.Pod, ...]:
        """The pods of the last table, with their load; empty before the first one."""
        return self._latest.pods if self._latest is not None else ()

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return self._watchers

    async def run(self) -> None:
        """Look at the registry until cancelled."""
        failures = 0
        while True:
            try:
                latest = await self._directory.registry()
            except WhimbrelError as error:
                if failures == 0:
                    _log.warning("registry_unreadable", code=error.code.name)
                failures += 1
            else:
                if failures:
                    _log.info("registry_readable", failures=failures)
                failures = 0
                self._take(latest)
            await asyncio.sleep(self._poll_seconds)

    async def watch(
        self,
        roles: Collection[router_pb2.PodRole.ValueType] = (),
        *,
        load_interval_seconds: float = 0.0,
    ) -> AsyncGenerator[Registry, None]:
        """The table as it is, then again after each change; ends when the feed is closed.

        Only pods of `roles`, all if there are none. A pod's load alone is not a change: it
        changes all the time, and would make every pod tell every other one about itself. Who
        asks for load gets it, not more often than every `load_interval_seconds`.
        """
        self._watchers += 1
        clock = asyncio.get_running_loop().time
        sent: Registry | None = None
        shape: Registry | None = None
        load_at = 0.0
        try:
            while not self._closed:
                news = self._loaded if load_interval_seconds else self._changed
                wait = None
                if self._latest is not None:
                    table = _of_roles(self._latest, roles)
                    new_shape = _without_load(table)
                    if load_interval_seconds and table != sent:
                        wait = max(0.0, load_at - clock())
                    if new_shape != shape or wait == 0.0:
                        sent, shape = table, new_shape
                        load_at = clock() + load_interval_seconds
                        yield table
                        continue  # it may have changed while the reader was busy
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await news.wait()
        finally:
            self._watchers -= 1

    async def close(self) -> None:
        """End all watches: this Router stops, and its watchers shall look for another."""
        self._closed = True
        self._changed.set()
        self._loaded.set()

    def _take(self, latest: Registry) -> None:
        if latest == self._latest or self._closed:
            return
        self._latest = latest
        self._loaded.set()
        self._loaded = asyncio.Event()
        shape = _without_load(latest)
        if shape != self._shape:
            self._shape = shape
            self._changed.set()
            self._changed = asyncio.Event()


def _of_roles(table: Registry, roles: Collection[router_pb2.PodRole.ValueType]) -> Registry:
    if not roles:
        return table
    return table._replace(pods=tuple(pod for pod in table.pods if pod.role in roles))


def _without_load(table: Registry) -> Registry:
    pods = []
    for pod in table.pods:
        copy = router_pb2.Pod()
        copy.CopyFrom(pod)
        copy.ClearField("sessions")
        copy.ClearField("arrivals_per_second")
        pods.append(copy)
    return table._replace(pods=tuple(pods))
