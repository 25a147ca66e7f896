"""After Redis was lost: a user's unread counts again, from what MongoDB knows.

Unread is what lies above the read mark of its conversation and was written by somebody else. The
marks go first, then the entries, through the same script that counts live ones: whatever is read
or added meanwhile is neither lost nor counted twice (rule 20).
"""

from __future__ import annotations

from collections.abc import Iterable

from services.logic.domain.history import MAX_COUNTED, unread_entry
from services.logic.history_ports import ConversationHistory, UnreadIndex
from services.logic.reading_ports import ReadStore

PAGE = 200
"""Entries of one conversation in one query. A page without anything unread ends the search: a
late entry further down than that would not be counted."""


class RebuildUnread:
    """Rebuilds one user at a time; reads only in MongoDB."""

    def __init__(self, history: ConversationHistory, reads: ReadStore, unread: UnreadIndex) -> None:
        self._history = history
        self._reads = reads
        self._unread = unread
        self.rebuilt_users = 0
        """Rebuilds that were finished since the start."""

    async def rebuild_lost(self, users: Iterable[str]) -> int:
        """Rebuild those of the users whose counts are not complete; how many they were. One
        round trip when all are. Raises UNAVAILABLE when a store does not answer."""
        lost = await self._unread.incomplete(users)
        for user in sorted(lost):
            await self.rebuild(user)
        return len(lost)

    async def rebuild(self, user: str) -> bool:
        """Count what is unread. False when Redis was lost meanwhile or somebody else began to
        rebuild the same user: the next `rebuild_lost` finds out. Raises UNAVAILABLE when a store
        does not answer: rebuild again."""
        token = await self._unread.begin_rebuild(user)
        reads = await self._reads.find(user)
        await self._unread.read_up_to(user, reads)
        for conversation in await self._history.conversations(user):
            await self._count(user, conversation, reads.get(conversation, 0))
        finished = await self._unread.finish_rebuild(user, token)
        self.rebuilt_users += finished
        return finished

    async def _count(self, user: str, conversation: str, mark: int) -> None:
        below: int | None = None
        counted = 0
        while counted < MAX_COUNTED:
            page = await self._history.before(user, conversation, below, PAGE)
            # The newest page also says which message is the last, whoever has read it.
            await self._unread.add([one for entry in page if (one := unread_entry(entry))])
            unread = sum(entry.sender != user and entry.seq > mark for entry in page)
            counted += unread
            if len(page) < PAGE or not any(entry.seq > mark for entry in page):
                return
            below = page[0].message_id
