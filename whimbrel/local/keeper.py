"""Keeps one part running: starts it, waits until it is ready, starts it again when it ends.

It is what a kubelet is to one pod: a part that ends unasked is started again in place, under its
name and on its port; one that is told to stop gets SIGTERM, its grace, SIGKILL, and stays away.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from whimbrel.local.children import Child, Identity, spawn
from whimbrel.local.errors import StackError, tail
from whimbrel.local.part import Part, PartState

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
STABLE_SECONDS = 10.0
"""A part that lived so long starts again after the first pause, not the longest."""
_POLL_SECONDS = 0.05
_DIES_WITHIN_SECONDS = 10.0
_ENDING = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT}


class Keeper:
    """The owner of one part's process and of the task that watches it."""

    def __init__(
        self,
        part: Part,
        *,
        restart: bool,
        changed: Callable[[Keeper], None],
        report: Callable[[str], None],
    ) -> None:
        """`changed` is called at each change of state, `report` with what a person should know."""
        self.part = part
        self.state = PartState.STOPPED
        self.starts = 0
        self._restart = restart
        self._changed = changed
        self._report = report
        self._child: Child | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._kill_at = 0.0
        self._healthy = asyncio.Event()

    @property
    def identity(self) -> Identity:
        """The process now, or the last one there was."""
        return Identity(0, 0) if self._child is None else self._child.identity

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop for good; also when it has."""
        return self._ending is not None

    @property
    def killed_in_seconds(self) -> float | None:
        """Seconds until SIGKILL; None when nobody has told it to stop."""
        if self._ending is None:
            return None
        return max(0.0, self._kill_at - asyncio.get_running_loop().time())

    async def start(self) -> None:
        """Start it and wait until it is ready; raises StackError with the reason when it is not."""
        if self._watcher is not None and not self._watcher.done():
            raise StackError(f"{self.part.name} is running already")
        self._become(PartState.STARTING)
        await self._begin()
        self._watcher = asyncio.create_task(self._watch(), name=f"keeper of {self.part.name}")

    def launch(self) -> None:
        """Start it without waiting. When it does not come up it is started again and again."""
        self._become(PartState.STARTING)
        self._watcher = asyncio.create_task(self._bring_up(), name=f"keeper of {self.part.name}")

    def terminate(self, grace_seconds: float) -> None:
        """Begin to end it for good: SIGTERM, and SIGKILL when the grace is over. Told twice, it
        keeps to the first, since a process takes its second SIGTERM for haste."""
        if self._ending is None:
            self._kill_at = asyncio.get_running_loop().time() + grace_seconds
            self._ending = asyncio.create_task(
                self._end(grace_seconds), name=f"end of {self.part.name}"
            )
            self._become(PartState.STOPPING)

    async def wait_stopped(self) -> None:
        """Until it has ended, after `terminate`; raises StackError when it cannot be ended."""
        assert self._ending is not None, "nobody has told it to stop"
        await asyncio.shield(self._ending)

    async def stop(self) -> None:
        """End it for good, within its grace, also when it has begun to stop with a longer one.
        Cancelled, it kills at once."""
        grace_seconds = self.part.grace_seconds
        self.terminate(grace_seconds)
        assert self._ending is not None
        try:
            await asyncio.wait((self._ending,), timeout=grace_seconds)
            self.kill_now()
            await self.wait_stopped()
        finally:
            self._ending.cancel()  # cancelled itself, it leaves no task behind

    def kill_now(self) -> None:
        """The last resort, when there is no time to wait."""
        if self._child is not None:
            self._child.send(signal.SIGKILL)

    async def kill(self, number: int) -> None:
        """Send a signal. After SIGKILL it returns once the process has ended."""
        child = self._child
        if child is None or child.returncode is not None:
            raise StackError(f"{self.part.name} is not running")
        if number in _ENDING and not self.is_stopping:
            # At once, so that wait_healthy() does not take the old process for the new one.
            self._become(PartState.RESTARTING if self._restart else PartState.STOPPED)
        child.send(number)
        if number == signal.SIGKILL:
            async with asyncio.timeout(_DIES_WITHIN_SECONDS):
                await child.wait()

    async def wait_healthy(self) -> None:
        """Until it is healthy, or is told to stop; for ever when nobody starts it again."""
        await self._healthy.wait()

    async def _end(self, grace_seconds: float) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait((self._watcher,))
        if self._child is not None and self._child.returncode is None:
            await self._child.stop(grace_seconds)
        self._become(PartState.STOPPED)

    async def _bring_up(self) -> None:
        while not await self._tries_to_begin():
            if self._child is not None:
                break  # it has ended, which its watcher sees too
            await asyncio.sleep(LONGEST_PAUSE_SECONDS)  # there was not even a process to be had
        await self._watch()

    async def _tries_to_begin(self) -> bool:
        try:
            await self._begin()
        except StackError as error:
            # The process has ended or was ended: the next round starts it again.
            self._report(str(error))
            return False
        return True

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        while True:
            assert self._child is not None
            began = loop.time()
            status = await self._child.wait()
            if not self._restart:
                self._become(PartState.STOPPED)
                return
            self._become(PartState.RESTARTING)
            self._report(f"{self.part.name} ended ({_ending(status)}), starting it again")
            if loop.time() - began >= STABLE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            await self._tries_to_begin()

    async def _begin(self) -> None:
        part = self.part
        spawning = asyncio.ensure_future(
            spawn(
                part.name,
                part.command,
                log=part.log,
                environment=part.environment,
                folder=part.folder,
            )
        )
        try:
            self._child = await asyncio.shield(spawning)
        except asyncio.CancelledError:
            self._child = await spawning  # never lose sight of a process that was started
            raise
        self.starts += 1
        self._changed(self)
        await self._wait_ready(self._child)
        self._become(PartState.HEALTHY)

    async def _wait_ready(self, child: Child) -> None:
        part = self.part
        try:
            async with asyncio.timeout(part.ready_seconds):
                while not await part.is_ready():
                    if child.returncode is not None:
                        reason = part.explain() or (
                            f"{part.name} ended at its start ({_ending(child.returncode)}); "
                            f"the end of its log {part.log}:\n{tail(part.log)}"
                        )
                        raise StackError(reason)
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            await child.stop(part.grace_seconds)
            raise StackError(
                f"{part.name} did not become healthy within {part.ready_seconds:.0f} s; "
                f"the end of its log {part.log}:\n{tail(part.log)}"
            ) from None

    def _become(self, state: PartState) -> None:
        if state is PartState.HEALTHY or self.is_stopping:
            self._healthy.set()  # nobody waits for one that leaves
        else:
            self._healthy.clear()
        if state is not self.state:
            self.state = state
            self._changed(self)


def _ending(status: int) -> str:
    if status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"
