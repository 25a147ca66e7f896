"""After Redis was lost: a user's undelivered index again, from what MongoDB knows.

Undelivered is what lies above the highest cursor of the user's devices and above the read and
pull marks of its conversation. The marks go first, then the entries page by page through the
same script that adds live ones: whatever is acknowledged, read, pulled or added meanwhile is
neither lost nor brought back (rule 20), and a rebuild that broke off is simply done again.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.logic.domain.model import TimelineEntry, UndeliveredEntry
from services.logic.ports import CursorStore, TimelineStore
from services.logic.reading_ports import ReadStore, UndeliveredMarks

PAGE = 500


class RebuildUndelivered:
    """Rebuilds one user at a time; reads only in MongoDB."""

    def __init__(
        self,
        timelines: TimelineStore,
        cursors: CursorStore,
        reads: ReadStore,
        pulls: ReadStore,
        undelivered: UndeliveredMarks,
    ) -> None:
        self._timelines = timelines
        self._cursors = cursors
        self._reads = reads
        self._pulls = pulls
        self._undelivered = undelivered
        self.rebuilt_users = 0
        """Rebuilds that were finished since the start."""

    async def rebuild_lost(self, users: Iterable[str]) -> int:
        """Rebuild those of the users that the index knows nothing of; how many they were. One
        round trip when it knows them all. Raises UNAVAILABLE when a store does not answer."""
        lost = await self._undelivered.incomplete(users)
        for user in sorted(lost):
            await self.rebuild(user)
        return len(lost)

    async def rebuild(self, user: str) -> bool:
        """Add what is undelivered and remove what is not. False when Redis was lost meanwhile
        or somebody else began to rebuild the same user: the next `rebuild_lost` finds out.
        Raises UNAVAILABLE when a store does not answer: rebuild again."""
        token = await self._undelivered.begin_rebuild(user)
        reads, pulls = await self._reads.find(user), await self._pulls.find(user)
        cursor = (await self._cursors.highest([user])).get(user, 0)
        await self._undelivered.acknowledged({user: cursor})
        await self._undelivered.read_up_to(user, reads)
        await self._undelivered.pulled_up_to(user, pulls)
        from_seq = cursor + 1
        while True:
            page = await self._timelines.read(user, from_seq, PAGE)
            await self._undelivered.add(
                [_undelivered(entry) for entry in page if _counts(entry, reads, pulls)]
            )
            if len(page) < PAGE:
                break
            from_seq = page[-1].seq + 1
        finished = await self._undelivered.finish_rebuild(user, token)
        self.rebuilt_users += finished
        return finished


def _counts(entry: TimelineEntry, reads: dict[str, int], pulls: dict[str, int]) -> bool:
    """Voids are nobody's, and what a user wrote reached one of the user's devices that way."""
    return (
        not entry.is_void
        and entry.sender != entry.user
        and entry.seq > max(reads.get(entry.conversation, 0), pulls.get(entry.conversation, 0))
    )


def _undelivered(entry: TimelineEntry) -> UndeliveredEntry:
    return UndeliveredEntry(entry.user, entry.conversation, entry.message_id or 0, entry.seq)
