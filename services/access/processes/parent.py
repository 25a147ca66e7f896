"""The parent of a pod's processes: starts each, starts it again when it dies, and ends them all.

It opens no port for anybody and carries nothing. A process that dies takes its clients' streams
with it, and nothing else: they come back to one of the others. The parent itself may be killed at
any time, since the kernel kills its processes then (`whimbrel.runtime.launch`).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from services.access.processes.environment import process_environment, process_name
from services.access.processes.restarts import Restarts
from services.access.processes.shared_port import free_port
from services.access.settings import AccessSettings
from services.access.shell.memory import MemoryWatermark
from whimbrel.runtime import launch
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_AFTER_DRAIN_SECONDS: Final = 20.0
"""From the deadline of the drain to the end of a process: goodbyes, the server, the stores."""
COMMAND: Final = (sys.executable, "-m", "services.access")


class Parent:
    """The processes of one pod. `run` owns them."""

    def __init__(
        self,
        settings: AccessSettings,
        environ: Mapping[str, str],
        listen: str,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """`environ` is what the pod itself was started with; `listen` has the port that is held."""
        self._command = command
        self._settings = settings
        self._environ = environ
        self._listen = listen
        self._incarnation = secrets.token_hex(8)
        self._memory_bytes = MemoryWatermark(settings.shell.memory_mib).limit_bytes
        self._running: dict[int, Process] = {}
        self.metrics_addresses: dict[int, str] = {}
        """Where each process shows its metrics to the parent, if the pod shows any."""
        self.starts: dict[int, int] = dict.fromkeys(self.numbers, 0)
        """How often each was started."""
        self._closing = asyncio.Event()
        """Who ends from now on is not started again."""
        self._stopping = asyncio.Event()
        self._has_failed = False

    @property
    def numbers(self) -> range:
        """Of the processes, from 1."""
        return range(1, self._settings.access.processes + 1)

    def pid(self, number: int) -> int | None:
        """Of this process; None while there is none."""
        process = self._running.get(number)
        return None if process is None else process.pid

    async def run(self) -> bool:
        """Keep them until `stop`, or until one cannot be kept; whether all ended well."""
        try:
            async with asyncio.TaskGroup() as tasks:
                ending = tasks.create_task(self._kill_late(), name="deadline")
                keepers = [
                    tasks.create_task(self._keep(number), name=self._name(number))
                    for number in self.numbers
                ]
                await asyncio.wait(keepers)
                ending.cancel()
        finally:
            self._send_all(signal.SIGKILL)
        return not self._has_failed

    def keep_no_longer(self) -> None:
        """The pod is to be empty, and then to end: who ends now is not started again."""
        self._closing.set()

    def stop(self) -> None:
        """Let each empty itself and end. Told twice they end at once, as one process does."""
        self._closing.set()
        self._stopping.set()
        self._send_all(signal.SIGTERM)

    def terminate(self, number: int) -> None:
        """Let one empty itself and end."""
        self._send(number, signal.SIGTERM)

    # --- inside ----------------------------------------------------------------------

    def _name(self, number: int) -> str:
        return process_name(self._settings.pod.id, number)

    async def _keep(self, number: int) -> None:
        loop, restarts = asyncio.get_running_loop(), Restarts()
        while not self._closing.is_set():
            began = loop.time()
            process = self._running[number] = await self._spawn(number)
            if self._stopping.is_set():
                self.terminate(number)
            status = await process.wait()
            del self._running[number]
            lived = loop.time() - began
            _log.info(
                "process_ended",
                process=self._name(number),
                status=status,
                seconds=round(lived, 1),
                closing=self._closing.is_set(),
            )
            if self._closing.is_set():
                self._has_failed |= status != 0
                return
            pause = restarts.pause(status, lived)
            if pause is None:
                _log.error("process_given_up", process=self._name(number), starts=restarts.starts)
                self._has_failed = True
                self.stop()
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._closing.wait()

    async def _spawn(self, number: int) -> Process:
        metrics_listen = ""
        if self._settings.metrics.listen is not None:
            # Another one at each start: if somebody else was quicker, the next start heals it.
            metrics_listen = self.metrics_addresses[number] = free_port()
        told = process_environment(
            self._settings,
            number,
            incarnation=self._incarnation,
            listen=self._listen,
            memory_bytes=self._memory_bytes,
            metrics_listen=metrics_listen,
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", launch.__file__, str(os.getpid())),
            *self._command,
            stdin=subprocess.DEVNULL,
            env={**self._environ, **told},
            # Ctrl-C in a terminal reaches the parent alone, which passes it on.
            start_new_session=True,
        )
        self.starts[number] += 1
        _log.info("process_started", process=self._name(number), pid=process.pid)
        return process

    async def _kill_late(self) -> None:
        await self._stopping.wait()
        own = self._settings
        await asyncio.sleep(
            own.drain.deadline_seconds + own.stream.goodbye_seconds + _AFTER_DRAIN_SECONDS
        )
        for number in list(self._running):
            _log.error("process_killed", process=self._name(number))
        self._send_all(signal.SIGKILL)

    def _send_all(self, what: signal.Signals) -> None:
        for number in list(self._running):
            self._send(number, what)

    def _send(self, number: int, what: signal.Signals) -> None:
        process = self._running.get(number)
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, what)
