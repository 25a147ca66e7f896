"""Timelines by conversation, over the memory of the timeline store."""

from __future__ import annotations

from collections.abc import Iterable

from services.logic.domain.model import Placement, TimelineEntry
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore


class MemoryConversationHistory:
    """The port ConversationHistory."""

    def __init__(self, timelines: MemoryTimelineStore) -> None:
        self._timelines = timelines

    async def conversations(self, user: str) -> list[str]:
        return sorted({entry.conversation for entry in self._messages(user)})

    async def before(
        self, user: str, conversation: str, message_id: int | None, limit: int
    ) -> list[TimelineEntry]:
        rows = self._of(user, conversation)
        below = [row for row in rows if message_id is None or _id(row) < message_id]
        return below[-limit:] if limit > 0 else []

    async def after(
        self, user: str, conversation: str, message_id: int, limit: int
    ) -> list[TimelineEntry]:
        above = [row for row in self._of(user, conversation) if _id(row) > message_id]
        return above[: max(0, limit)]

    async def placed(self, placements: Iterable[Placement]) -> dict[Placement, TimelineEntry]:
        found = {}
        for place in placements:
            for row in self._of(place.user, place.conversation):
                if row.message_id == place.message_id:
                    found[place] = row
        return found

    async def users(self, after: str, limit: int) -> list[str]:
        names = sorted(user for user, rows in self._timelines.entries.items() if rows)
        return [name for name in names if name > after][:limit]

    def _messages(self, user: str) -> list[TimelineEntry]:
        return [entry for entry in self._timelines.timeline(user) if not entry.is_void]

    def _of(self, user: str, conversation: str) -> list[TimelineEntry]:
        rows = [row for row in self._messages(user) if row.conversation == conversation]
        return sorted(rows, key=_id)


def _id(entry: TimelineEntry) -> int:
    return entry.message_id or 0
