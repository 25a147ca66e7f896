"""Whoever has a message on no device: index it as undelivered, keep it at hand for a device that
pulls, ask for the user to be woken unless the user has muted the conversation.

Apart from the fan-out, so that nobody's live delivery waits for it. All of it lives in Redis and
comes back from MongoDB when it was lost: the index user by user, when the next entry shows that
it is incomplete; the push jobs by the push service, from heads and cursors (rules 20, 21).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.logic.domain.model import PushJob, StoredMessage, UndeliveredEntry
from services.logic.history_ports import SettingsStore
from services.logic.ports import PushQueue
from services.logic.reading_ports import UndeliveredMarks
from services.logic.usecases.doubts import Doubts
from services.logic.usecases.message_bodies import MessageBodies
from services.logic.usecases.pipeline import Pipeline
from services.logic.usecases.rebuild_undelivered import RebuildUndelivered
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_ENTRIES = 1000
PAUSE_SECONDS = 0.2
"""Before each batch. Of a large group's members hundreds are away, and waking them costs as much
as delivering to those who are there, who come first: they look at their screens."""


class _Missed(NamedTuple):
    job: PushJob
    message: StoredMessage | None


class TreatAsOffline:
    """Entries that no device of their user has."""

    def __init__(
        self,
        undelivered: UndeliveredMarks,
        push_queue: PushQueue,
        rebuild: RebuildUndelivered,
        settings: SettingsStore,
        bodies: MessageBodies,
        doubts: Doubts,
        *,
        max_waiting: int,
    ) -> None:
        self._undelivered = undelivered
        self._push_queue = push_queue
        self._rebuild = rebuild
        self._settings = settings
        self._bodies = bodies
        self._doubts = doubts
        self.dropped = 0
        """Entries given up because too many waited: a notification less, never a message."""
        self.pipeline: Pipeline[_Missed] = Pipeline(
            self._handle, max_items=MAX_ENTRIES, max_waiting=max_waiting
        )

    def enqueue(self, jobs: Iterable[PushJob], message: StoredMessage | None = None) -> None:
        """Never blocks the fan-out. `message` is what the jobs are about, when it is at hand."""
        for job in jobs:
            if not self.pipeline.offer(_Missed(job, message)):
                self.dropped += 1
                self._doubts.note([job.user])

    async def _handle(self, batch: list[_Missed]) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        jobs = [one.job for one in batch]
        entries = [
            UndeliveredEntry(job.user, job.conversation, job.message_id, job.seq) for job in jobs
        ]
        messages = {one.message.message_id: one.message for one in batch if one.message}
        try:
            await self._undelivered.add(entries)
            await self._bodies.remember(list(messages.values()))
            await self._push_queue.enqueue(await self._loud(jobs))
            await self._rebuild.rebuild_lost({job.user for job in jobs})
        except WhimbrelError as error:
            log.warning("offline_not_indexed", count=len(jobs), detail=error.detail)
            self._doubts.note({job.user for job in jobs})

    async def _loud(self, jobs: Sequence[PushJob]) -> list[PushJob]:
        """The jobs of conversations that are not muted. A wake too many is better than one too
        few: when nobody knows, nothing is muted."""
        try:
            muted = await self._settings.muted((job.user, job.conversation) for job in jobs)
        except WhimbrelError as error:
            log.warning("mutes_not_known", count=len(jobs), detail=error.detail)
            return list(jobs)
        return [job for job in jobs if (job.user, job.conversation) not in muted]
