"""A local platform whose pods are small processes that only sleep: a whole stack in miniature."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from whimbrel.local.part import Part
from whimbrel.local.platform import LocalPlatform
from whimbrel.local.supervisor import Supervisor

SLEEPS = "import signal; print('ready', flush=True); signal.alarm(600); signal.pause()"
LINGERS = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS
NEVER_READY = "import signal; signal.alarm(600); signal.pause()"
ENDS = "raise SystemExit(1)"


class Sleepers:
    """A PartSource. Which program the next pods run can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = SLEEPS
        self.drain_seconds: float | None = None
        self.discarded: list[str] = []

    async def make(self, name: str, revision: str) -> Part:
        return self.part(name, revision)

    async def discard(self, part: Part) -> None:
        self.discarded.append(part.name)

    def part(self, name: str, revision: str) -> Part:
        log = self.folder / f"{name}.log"
        return Part(
            name=name,
            role=name.partition("-")[0],
            address="127.0.0.1:1",
            command=(sys.executable, "-S", "-c", self.program),
            log=log,
            is_ready=partial(_says_so, log),
            grace_seconds=1.0,
            drain_seconds=self.drain_seconds,
            ready_seconds=10.0,
            revision=revision,
        )


async def _says_so(log: Path) -> bool:
    return log.exists() and "ready" in log.read_text()  # noqa: ASYNC240 (a line)


class SmallPlatform:
    """What a test holds of it."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.cordoned: set[str] = set()
        self.sleepers = Sleepers(folder)
        self.supervisor = Supervisor(
            restart=True, changed=lambda _: self.platform.stir(), report=self.lines.append
        )
        self.platform = LocalPlatform(
            self.supervisor,
            self.sleepers,
            takes_work=lambda name: name not in self.cordoned,
            pods_changed=lambda: None,
            report=self.lines.append,
        )

    def names(self, role: str = "access") -> list[str]:
        """Of the pods that are there, also those that are being stopped."""
        return [pod.pod_id for pod in self.platform.view().pods if pod.role == role]

    async def settled(self, role: str = "access") -> None:
        async with asyncio.timeout(20):
            await self.platform.wait_settled(role)


@asynccontextmanager
async def small_platform(folder: Path, replicas: int = 2) -> AsyncIterator[SmallPlatform]:
    """With so many ready pods of the role "access"."""
    small = SmallPlatform(folder)
    parts = [small.sleepers.part(f"access-{number}", "r1") for number in range(replicas)]
    running: asyncio.Task[None] | None = None
    try:
        await small.supervisor.start(parts)
        small.platform.adopt("access", small.supervisor.keepers.values(), "r1")
        running = asyncio.create_task(small.platform.run())
        yield small
    finally:
        if running is not None:
            running.cancel()
            await asyncio.wait((running,))
        await small.supervisor.stop()
