"""One process of a Logic pod, wired as services.logic.bootstrap wires it, on memory stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from services.logic.assemble import assemble
from services.logic.desk import Desk
from services.logic.link import LinkTable
from services.logic.parts import LogicParts, Stores
from services.logic.servicer import LogicServicer
from services.logic.settings import WorkerSettings
from whimbrel.core.errors import WhimbrelError
from whimbrel.testing.memory_cluster.process import Process
from whimbrel.testing.memory_cluster.streams import ClientEnd, Delay, ServerEnd
from whimbrel.testing.memory_stores.revocations import MemoryRevocationStore


class LogicPod:
    """A Logic process: start it once, kill it at any time."""

    def __init__(
        self,
        pod_id: str,
        incarnation: str,
        stores: Stores,
        tasks: asyncio.TaskGroup,
        *,
        wall_ms: Callable[[], int],
        on_crash: Callable[[str], None],
    ) -> None:
        self.pod_id = pod_id
        self.incarnation = incarnation
        self.process = Process(tasks, on_crash)
        self._worker = WorkerSettings()
        self.links = LinkTable()
        self.parts: LogicParts = assemble(
            stores,
            self.links,
            holder=f"{pod_id}/{incarnation}",
            clock=asyncio.get_running_loop().time,
            wall_ms=wall_ms,
            worker=self._worker,
        )
        self._desk = Desk(self.parts.use_cases, self.links)
        self._servicer = LogicServicer(
            self._desk,
            self.links,
            self.parts.groups,
            self.parts.signals.list_reads,
            self.parts.ids,
            MemoryRevocationStore(),
        )

    def start(self) -> None:
        """Take a worker number, then run the loops."""
        self.process.spawn(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self.parts.ids.renew()
                break
            except WhimbrelError:  # a real one would be started again by its platform
                await asyncio.sleep(0.2)
        for loop in {**self.parts.loops(self._worker), **self._desk.loops()}.values():
            self.process.spawn(loop())

    def open_link(self, delay: Delay) -> ClientEnd:
        """What LogicServiceStub.Link returns."""
        return self.process.open(self._link, delay)

    async def _link(self, end: ServerEnd) -> None:
        await self._servicer.Link(cast(Any, end), cast(Any, end))
