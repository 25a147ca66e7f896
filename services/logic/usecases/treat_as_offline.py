"""Whoever has a message on no device: index it as undelivered, ask for the user to be woken.

Apart from the fan-out, so that nobody's live delivery waits for it. All of it lives in Redis and
comes back from MongoDB when it was lost: the index user by user, when the next entry shows that
it is incomplete; the push jobs by the push service, from heads and cursors (rules 20, 21).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from services.logic.domain.model import PushJob, UndeliveredEntry
from services.logic.ports import PushQueue, UndeliveredMarks
from services.logic.usecases.pipeline import Pipeline
from services.logic.usecases.rebuild_undelivered import RebuildUndelivered
from whimbrel.core.errors import WhimbrelError

log = structlog.get_logger(__name__)

MAX_ENTRIES = 1000
PAUSE_SECONDS = 0.2
"""Before each batch. Of a large group's members hundreds are away, and waking them costs as much
as delivering to those who are there, who come first: they look at their screens."""


class TreatAsOffline:
    """Entries that no device of their user has."""

    def __init__(
        self,
        undelivered: UndeliveredMarks,
        push_queue: PushQueue,
        rebuild: RebuildUndelivered,
        *,
        max_waiting: int,
    ) -> None:
        self._undelivered = undelivered
        self._push_queue = push_queue
        self._rebuild = rebuild
        self.dropped = 0
        """Entries given up because too many waited: a notification less, never a message."""
        self.pipeline: Pipeline[PushJob] = Pipeline(
            self._handle, max_items=MAX_ENTRIES, max_waiting=max_waiting
        )

    def enqueue(self, jobs: Iterable[PushJob]) -> None:
        """Never blocks the fan-out."""
        for job in jobs:
            if not self.pipeline.offer(job):
                self.dropped += 1

    async def _handle(self, jobs: list[PushJob]) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        entries = [
            UndeliveredEntry(job.user, job.conversation, job.message_id, job.seq) for job in jobs
        ]
        try:
            await self._undelivered.add(entries)
            await self._push_queue.enqueue(jobs)
            await self._rebuild.rebuild_lost({job.user for job in jobs})
        except WhimbrelError as error:
            log.warning("offline_not_indexed", count=len(jobs), detail=error.detail)
