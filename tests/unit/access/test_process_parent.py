"""The parent keeps real processes: small ones here, that do nothing but wait for their end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.access.processes.parent import Parent
from tests.unit.access.access_settings import settings_of
from tests.waiting import until

WAITS = """
import os, pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path(sys.argv[1], f"{os.environ['WHIMBREL_POD__ID']}.{os.getpid()}").touch()
while True:
    signal.pause()
"""
REFUSES = """
import os, sys
if os.environ["WHIMBREL_POD__ID"] == "access-0.2":
    sys.exit(2)
"""


class World:
    def __init__(self, folder: Path, code: str) -> None:
        self._folder = folder
        command = (sys.executable, "-c", code, str(folder))
        self.parent = Parent(settings_of(), os.environ, "127.0.0.1:7400", command)
        self.running = asyncio.create_task(self.parent.run())

    def is_ready(self, number: int) -> bool:
        """Whether the process that runs under this number now has begun to wait."""
        pid = self.parent.pid(number)
        return (self._folder / f"access-0.{number}.{pid}").exists()

    async def both_are_ready(self) -> None:
        await until(lambda: self.is_ready(1) and self.is_ready(2))


@asynccontextmanager
async def world(folder: Path, code: str = WAITS) -> AsyncIterator[World]:
    own = World(folder, code)
    try:
        yield own
    finally:
        own.parent.stop()
        await own.running


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_each_process_runs_under_its_own_name_and_all_end_when_told(tmp_path: Path) -> None:
    async with world(tmp_path) as own:
        await own.both_are_ready()
        pids = [own.parent.pid(number) or 0 for number in own.parent.numbers]
        own.parent.stop()
        assert await own.running
        assert not any(is_alive(pid) for pid in pids)


async def test_one_that_dies_is_started_again_and_the_other_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as own:
        await own.both_are_ready()
        first, second = own.parent.pid(1), own.parent.pid(2)
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: own.parent.pid(1) not in (first, None) and own.is_ready(1))
        assert own.parent.pid(2) == second
        assert own.parent.starts == {1: 2, 2: 1}


async def test_nobody_is_started_again_in_a_pod_that_ends(tmp_path: Path) -> None:
    async with world(tmp_path) as own:
        await own.both_are_ready()
        own.parent.keep_no_longer()
        for number in own.parent.numbers:
            own.parent.terminate(number)
        assert await own.running
        assert own.parent.starts == {1: 1, 2: 1}


async def test_a_process_that_cannot_be_kept_ends_the_pod(tmp_path: Path) -> None:
    async with world(tmp_path, REFUSES + WAITS) as own:
        assert not await own.running
        assert own.parent.starts == {1: 1, 2: 1}


async def test_a_parent_that_is_cancelled_kills_what_it_keeps(tmp_path: Path) -> None:
    own = World(tmp_path, WAITS)
    await own.both_are_ready()
    pids = [own.parent.pid(number) or 0 for number in own.parent.numbers]
    own.running.cancel()
    await asyncio.wait((own.running,))
    await until(lambda: not any(is_really_alive(pid) for pid in pids))


def is_really_alive(pid: int) -> bool:
    """One that has ended and was not waited for does not live."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
