"""After the commit: each participant has one more to read, on whatever device it arrives.

Apart from the fan-out, so that nobody's delivery waits for it. A message that is fanned out again
is offered again, and counts once: the index keeps the seqs that it has counted. What Redis did
not take is tried again; what no longer fits is noted as a doubt, and counted by a rebuild.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.logic.domain.history import UnreadEntry, unread_entry
from services.logic.domain.model import Committed
from services.logic.history_ports import UnreadIndex
from services.logic.usecases.doubts import Doubts
from services.logic.usecases.pipeline import Pipeline
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_MESSAGES = 200
MAX_ENTRIES_PER_ADD = 5000
COALESCE_SECONDS = 0.05
"""Between two batches: nobody waits for a count, and at a low rate it saves round trips."""
RETRY_SECONDS = 0.2
MAX_TRIES = 25
"""5 s: a Redis that restarts is back by then."""


class CountUnread:
    """Counts committed messages for their participants."""

    def __init__(self, unread: UnreadIndex, doubts: Doubts, *, max_waiting: int) -> None:
        self._unread = unread
        self._doubts = doubts
        self.pipeline: Pipeline[Committed] = Pipeline(
            self._handle, max_items=MAX_MESSAGES, max_waiting=max_waiting
        )

    def enqueue(self, committed: Sequence[Committed]) -> None:
        """Never blocks the commit."""
        for one in committed:
            if not self.pipeline.offer(one):
                self._doubts.note(entry.user for entry in one.entries)

    async def _handle(self, batch: list[Committed]) -> None:
        entries = [
            counted
            for one in batch
            for entry in one.entries
            if (counted := unread_entry(entry)) is not None
        ]
        for start in range(0, len(entries), MAX_ENTRIES_PER_ADD):
            await self._add(entries[start : start + MAX_ENTRIES_PER_ADD])
        await asyncio.sleep(COALESCE_SECONDS)

    async def _add(self, entries: Sequence[UnreadEntry]) -> None:
        for _ in range(MAX_TRIES):
            try:
                await self._unread.add(entries)
            except WhimbrelError as error:
                log.warning("unread_not_counted", entries=len(entries), detail=error.detail)
            else:
                return
            await asyncio.sleep(RETRY_SECONDS)
        self._doubts.note({entry.user for entry in entries})
