"""`timelines` without MongoDB: both unique indexes decide as the real ones do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from services.logic.domain.model import Placement, TimelineEntry
from whimbrel.testing.memory_stores.faults import Faults, Pause


class MemoryTimelineStore:
    """The port TimelineStore; `entries` is everything that is stored, by user and seq.
    Operations for `faults`: insert (with .each), find_placed, heads, ahead, tails, read,
    read_seqs."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self.entries: dict[str, dict[int, TimelineEntry]] = defaultdict(dict)
        self._placed: dict[Placement, int] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    def timeline(self, user: str) -> list[TimelineEntry]:
        """The user's entries by seq, for a test to look at."""
        entries = self.entries.get(user, {})
        return [entries[seq] for seq in sorted(entries)]

    def lose(self, user: str, seq: int) -> None:
        """A test's own damage: this entry was never stored."""
        entry = self.entries[user].pop(seq)
        if entry.message_id is not None:
            del self._placed[Placement(user, entry.conversation, entry.message_id)]

    async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
        refused = []
        async with self.faults.around("insert"):
            for index, entry in enumerate(entries):
                await self.faults.reach("insert.each")
                if not self._store(entry):
                    refused.append(index)
        return refused

    def _store(self, entry: TimelineEntry) -> bool:
        if entry.seq in self.entries[entry.user]:
            return False
        if entry.message_id is not None:
            place = Placement(entry.user, entry.conversation, entry.message_id)
            if place in self._placed:
                return False
            self._placed[place] = entry.seq
        else:  # only where it stands is kept of a void
            entry = TimelineEntry(entry.user, entry.seq)
        self.entries[entry.user][entry.seq] = entry
        return True

    async def find_placed(self, placements: Iterable[Placement]) -> dict[Placement, int]:
        async with self.faults.around("find_placed"):
            return {place: self._placed[place] for place in placements if place in self._placed}

    async def heads(self, users: Iterable[str]) -> dict[str, int]:
        async with self.faults.around("heads"):
            return {user: self._head(user) for user in users}

    async def ahead(self, positions: Mapping[str, int]) -> dict[str, int]:
        async with self.faults.around("ahead"):
            heads = {user: self._head(user) for user in positions}
            return {user: head for user, head in heads.items() if head and head >= positions[user]}

    async def tails(
        self, positions: Mapping[str, int], *, at_most: int
    ) -> dict[str, list[TimelineEntry]] | None:
        async with self.faults.around("tails"):
            tails = {
                user: [entry for entry in self.timeline(user) if entry.seq >= position]
                for user, position in positions.items()
            }
            return tails if sum(map(len, tails.values())) <= at_most else None

    async def read(self, user: str, from_seq: int, limit: int) -> list[TimelineEntry]:
        async with self.faults.around("read"):
            found = [entry for entry in self.timeline(user) if entry.seq >= from_seq]
            return found[: max(0, limit)]

    async def read_seqs(self, user: str, from_seq: int, to_seq: int) -> list[int]:
        async with self.faults.around("read_seqs"):
            return [entry.seq for entry in self.timeline(user) if from_seq <= entry.seq <= to_seq]

    def _head(self, user: str) -> int:
        return max(self.entries.get(user, {}), default=0)
