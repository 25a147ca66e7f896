"""Services inside a test: the real start and stop sequence, in this process, on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.serve import ServiceSpec, serve
from whimbrel.runtime.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


@asynccontextmanager
async def running_service(
    spec: ServiceSpec[S], settings: S, *, start_seconds: float = 10.0
) -> AsyncIterator[Chassis]:
    """Run the service while the block runs; it is drained at the end, as by SIGTERM.

    Yields once it reports SERVING; `chassis.address` is where. What the service raised, at the
    start or later, is raised here, instead of what the block raises: a block that waits for a
    service that is gone can only say that it waited. TimeoutError after `start_seconds`.
    """
    stop = asyncio.Event()
    ready: asyncio.Future[Chassis] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(spec, settings, stop=stop, started=ready.set_result))
    try:
        await asyncio.wait(
            (ready, running), timeout=start_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if not ready.done():
            if not running.done():
                raise TimeoutError(f"{spec.name} does not serve after {start_seconds:.0f} s")
            await running
        chassis = ready.result()
        try:
            yield chassis
        finally:
            if chassis.failed.done() or running.done():
                await running  # while it drains, it is failing already
        stop.set()
        await running
    finally:
        running.cancel()
        await asyncio.wait((running,))
