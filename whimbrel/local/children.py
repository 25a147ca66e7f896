"""Child processes: how one starts, how it ends for certain, and who it was.

A child is named by its pid *and* its start time, because pids are used again. Linux only: it
reads /proc and relies on `whimbrel.runtime.launch`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from whimbrel.local.errors import StackError
from whimbrel.runtime import launch

_KILLED_WITHIN_SECONDS = 10.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Identity:
    """One life of one process. `started` is in clock ticks since boot, 0 when it is gone."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Identity:
        """Who has this pid now."""
        return cls(pid, _start_ticks(pid) or 0)

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs; one that has ended and was not reaped does not."""
        return self.started > 0 and _start_ticks(self.pid) == self.started


def _start_ticks(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # Counted behind the command's name, which may have spaces: state is field 3, start time 22.
    return None if fields[0] in "ZX" else int(fields[19])


class Child:
    """A running child. Its owner awaits `stop()`; the kernel ends it if the owner cannot."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self.identity = Identity.of(process.pid)
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Until it has ended; its exit status."""
        return await self._process.wait()

    def send(self, number: int) -> None:
        """Send a signal; nothing happens when it has ended already.

        Not by asyncio's own send_signal: that polls first, and may so reap the child under the
        nose of asyncio's watcher, which then warns and reports the exit status 255.
        """
        if self.identity.is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def stop(self, grace_seconds: float = 10.0) -> int:
        """SIGTERM, then SIGKILL when the grace is over. Cancelled, it kills at once.

        Raises StackError when even SIGKILL does not end it (a process that hangs in the kernel).
        """
        try:
            self.send(signal.SIGTERM)
            # One that is stopped by SIGSTOP would sleep through its SIGTERM.
            self.send(signal.SIGCONT)
            async with asyncio.timeout(grace_seconds):
                return await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self.send(signal.SIGKILL)
        try:
            async with asyncio.timeout(_KILLED_WITHIN_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            raise StackError(
                f"{self.name} (pid {self.pid}) does not end, even by SIGKILL"
            ) from None


async def spawn(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Child:
    """Start `command` (absolute program first), with both outputs appended to `log`.

    It gets a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone, and
    it dies with this process (see whimbrel.runtime.launch). `environment` replaces ours when it is
    given. Raises StackError when there is no process to be had.
    """
    if sys.platform != "linux":
        raise StackError(
            "the embedded stack runs on Linux only; start mongod and redis-server yourself and "
            "the services with `python -m services.<role>`"
        )
    launcher = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
    try:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *launcher,
                *command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if environment is None else dict(environment),
                cwd=folder,
                start_new_session=True,
            )
    except OSError as error:
        raise StackError(f"{name} cannot be started: {error}") from None
    return Child(name, process, log)


async def end_processes(identities: Sequence[Identity], *, grace_seconds: float) -> list[Identity]:
    """End processes that are not our children; those that still live in the end."""
    for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        alive = [one for one in identities if one.is_alive]
        for one in alive:
            try:
                os.kill(one.pid, number)
            except ProcessLookupError:
                continue
        if await wait_until_gone(alive, timeout_seconds=seconds):
            return []
    return [one for one in identities if one.is_alive]


async def wait_until_gone(identities: Sequence[Identity], *, timeout_seconds: float) -> bool:
    """Whether all of them have ended within the time."""
    try:
        async with asyncio.timeout(timeout_seconds):
            while any(one.is_alive for one in identities):  # noqa: ASYNC110 (others' children)
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return False
    return True
