"""The preStop hook of a pod with several processes: each is told, and it is empty when all are.

The parent speaks to each process as the hook does to a pod (`drain_socket`), and adds up what they
say.
"""

from __future__ import annotations

import asyncio
from typing import Final

from services.access.processes.environment import process_socket
from services.access.processes.parent import Parent
from services.access.settings import AccessSettings
from whimbrel.core.drain.pod_drain_types import DrainPhase
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_MARGIN_SECONDS: Final = 5.0
_EMPTY: Final = (DrainPhase.EMPTY, 0)


class DrainTogether:
    """The drain of one pod, as the hook sees it. `run` is its task."""

    def __init__(self, settings: AccessSettings, parent: Parent) -> None:
        self._settings = settings
        self._parent = parent
        self._said = dict.fromkeys(parent.numbers, (DrainPhase.ACTIVE, 0))
        self._asked = asyncio.Event()
        self._empty = asyncio.Event()
        self._deadline_seconds = 0.0

    def begin_stop(self, cause: str, deadline_seconds: float) -> None:
        """See Stopping. The cause is the hook's, which each process says by itself."""
        if not self._asked.is_set():
            self._deadline_seconds = deadline_seconds
            self._parent.keep_no_longer()
            self._asked.set()

    async def wait_empty(self) -> None:
        """See Stopping."""
        await self._empty.wait()

    def status(self) -> tuple[DrainPhase, int]:
        """Of those that are furthest behind, and the sessions of all."""
        return min(phase for phase, _ in self._said.values()), sum(
            sessions for _, sessions in self._said.values()
        )

    async def run(self) -> None:
        """Pass on what the hook asks, once."""
        await self._asked.wait()
        async with asyncio.TaskGroup() as tasks:
            for number in self._parent.numbers:
                tasks.create_task(self._drain(number), name=f"drain of process {number}")
        self._empty.set()

    async def _drain(self, number: int) -> None:
        """Until this one is empty, has ended, or its time is over."""
        path = process_socket(self._settings, number)
        try:
            async with asyncio.timeout(self._deadline_seconds + _MARGIN_SECONDS):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    writer.write(f"drain {self._deadline_seconds:g}\n".encode())
                    while line := await reader.readline():
                        self._hear(number, line.decode("ascii", "replace").split())
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            # It is just starting, or hangs: SIGTERM says the same.
            _log.warning("process_not_asked", process=number, reason=str(error) or "timeout")
            self._parent.terminate(number)
        self._said[number] = _EMPTY

    def _hear(self, number: int, words: list[str]) -> None:
        if len(words) == 2 and words[0].upper() in DrainPhase.__members__:
            self._said[number] = (DrainPhase[words[0].upper()], int(words[1]))
