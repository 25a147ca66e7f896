"""One batch of jobs: who is still to be woken, and waking them.

The comparison with cursor and read mark comes last before the sending; there is no message that
takes a job back (rule 21). What this returns is finished; the rest stays in the stream and is
tried again by whoever claims it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.push.domain.sifting import ReceivedJob, collapse, minted_at, wake_key
from services.push.ports import MarkStore, Provider, WakeMemory
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.push_stream import StreamJob

_log = get_logger(__name__)


@dataclass
class WakeStatistics:
    """Counts of jobs since the start."""

    sent: int = 0
    doubles: int = 0
    passed: int = 0
    expired: int = 0
    unreadable: int = 0
    failed: int = 0
    refused: int = 0


class WakeUsers:
    """Sifts a batch and sends what is left, all at once: the batch is the bound."""

    def __init__(
        self,
        marks: MarkStore,
        memory: WakeMemory,
        provider: Provider,
        *,
        wall_clock: Callable[[], float],
        wake_timeout_seconds: float = 10.0,
        lifetime_seconds: float = 86_400.0,
    ) -> None:
        """`wall_clock` answers seconds since the Unix epoch, which is what the ids of the
        stream carry."""
        self._marks = marks
        self._memory = memory
        self._provider = provider
        self._wall_clock = wall_clock
        self._wake_timeout_seconds = wake_timeout_seconds
        self._lifetime_seconds = lifetime_seconds
        self._counts = WakeStatistics()

    def statistics(self) -> WakeStatistics:
        """A live view of the counts."""
        return self._counts

    async def handle(self, received: Sequence[ReceivedJob]) -> list[str]:
        """The entry ids of the jobs that need nothing more.

        Raises UNAVAILABLE when a store does not answer; none of the batch is finished then, and
        what was sent already is known to the memory or sent twice.
        """
        readable = [one for one in received if one.job is not None]
        self._counts.unreadable += len(received) - len(readable)
        oldest = self._wall_clock() - self._lifetime_seconds
        fresh = [one for one in readable if minted_at(one.entry_id) >= oldest]
        self._counts.expired += len(readable) - len(fresh)
        keys = [wake_key(one.job) for one in fresh if one.job is not None]
        known = await self._memory.recent(keys) if keys else set()
        single, doubles = collapse(fresh, known)
        self._counts.doubles += len(doubles)
        failed = await self._send(single)
        return [one.entry_id for one in received if one.entry_id not in failed]

    async def _send(self, jobs: Sequence[ReceivedJob]) -> set[str]:
        """Wake those whom nothing has reached; the entry ids of those that failed."""
        waiting = {one.entry_id: one.job for one in jobs if one.job is not None}
        if not waiting:
            return set()
        marks = await self._marks.find(waiting.values())
        due = {entry_id: job for entry_id, job in waiting.items() if not marks.passed(job)}
        self._counts.passed += len(waiting) - len(due)
        async with asyncio.TaskGroup() as group:
            tasks = {entry_id: group.create_task(self._wake(job)) for entry_id, job in due.items()}
        failed = {entry_id for entry_id, task in tasks.items() if not task.result()}
        sent = [wake_key(job) for entry_id, job in due.items() if entry_id not in failed]
        if sent:
            await self._memory.remember(sent)
        return failed

    async def _wake(self, job: StreamJob) -> bool:
        """False when it shall be tried again. A provider that refuses for good is obeyed."""
        try:
            async with asyncio.timeout(self._wake_timeout_seconds):
                await self._provider.wake(job)
        except TimeoutError:
            self._counts.failed += 1
            _log.warning("wake_timed_out", user=job.user, message_id=str(job.message_id))
            return False
        except WhimbrelError as error:
            is_refused = error.code is not ErrorCode.UNAVAILABLE
            self._counts.refused += is_refused
            self._counts.failed += not is_refused
            _log.warning(
                "wake_refused" if is_refused else "wake_failed",
                user=job.user,
                message_id=str(job.message_id),
                code=error.code.name,
                reason=error.detail,
            )
            return is_refused
        self._counts.sent += 1
        return True
