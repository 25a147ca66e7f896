"""Both inserts of a commit at one primary, over the two memory stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.logic.domain.model import StoredMessage, TimelineEntry
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore


class MemoryPairedInserts:
    """The port PairedInserts; the faults of the two stores are its own. At the point "pair.each"
    of the messages' faults a primary is lost, with what it alone has, when `pause` raises."""

    def __init__(self, messages: MemoryMessageStore, timelines: MemoryTimelineStore) -> None:
        self.messages = messages
        self.timelines = timelines

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[MemoryInsertPair]:
        if self.messages.faults.away:
            raise unavailable("no primary", retry_after_seconds=0.2, outcome_unknown=True)
        yield MemoryInsertPair(self.messages, self.timelines)


class MemoryInsertPair:
    """The port InsertPair."""

    def __init__(self, messages: MemoryMessageStore, timelines: MemoryTimelineStore) -> None:
        self._messages = messages
        self._timelines = timelines
        self.inserted: list[StoredMessage] = []

    async def insert_messages(self, messages: Sequence[StoredMessage]) -> list[int]:
        refused = await self._messages.insert_at_primary(messages)
        self.inserted += [one for index, one in enumerate(messages) if index not in set(refused)]
        return refused

    async def insert_entries(self, entries: Sequence[TimelineEntry]) -> list[int]:
        try:
            await self._messages.faults.reach("pair.each")
        except WhimbrelError:
            self._messages.lose(self.inserted)
            raise
        self._messages.keep(self.inserted)  # an entry never stands where its message does not
        return await self._timelines.insert(entries)
