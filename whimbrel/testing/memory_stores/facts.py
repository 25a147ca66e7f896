"""Relations and privacy without MongoDB, and the log of changes that caches follow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from services.logic.domain.people import Friendship, Pair, Privacy, Relation
from services.logic.social_ports import Changes
from whimbrel.testing.memory_stores.faults import Faults, Pause


class MemoryChanges:
    """Which names have changed, in order; a mark is a position."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def note(self, name: str) -> None:
        """It has changed."""
        self._names.append(name)

    def since(self, mark: object) -> Changes:
        """See services.logic.social_ports.Facts.changed."""
        start = mark if isinstance(mark, int) else len(self._names)
        return Changes(len(self._names), self._names[start:])


class MemoryRelationStore:
    """The port RelationStore. Operations for `faults`: find, replace."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self.relations: dict[Pair, Relation] = {}
        self._changes = MemoryChanges()

    async def prepare(self) -> None:
        """Nothing to create."""

    async def find(self, keys: Collection[Pair]) -> Mapping[Pair, Relation]:
        async with self.faults.around("find"):
            return {pair: self.relations[pair] for pair in keys if pair in self.relations}

    async def changed(self, mark: object) -> Changes:
        return self._changes.since(mark)

    def key_of(self, name: str) -> Pair:
        return Pair(*name.split(":"))

    async def replace(self, pair: Pair, relation: Relation) -> bool:
        async with self.faults.around("replace"):
            known = self.relations.get(pair)
            if (known.version if known else 0) != relation.version:
                return False
            self.relations[pair] = replace(relation, version=relation.version + 1)
            self._changes.note(_name(pair))
            return True

    async def count(self, user: str, friendship: Friendship) -> int:
        return len(await self.of(user, friendship, "", len(self.relations)))

    async def of(
        self, user: str, friendship: Friendship, after: str, limit: int
    ) -> list[tuple[Pair, Relation]]:
        return [
            (pair, relation)
            for pair, relation in self._after(after)
            if user in pair and relation.friendship is friendship
        ][:limit]

    async def blocked_by(self, user: str, after: str, limit: int) -> list[tuple[Pair, Relation]]:
        return [
            (pair, relation) for pair, relation in self._after(after) if user in relation.blocked_by
        ][:limit]

    def _after(self, after: str) -> list[tuple[Pair, Relation]]:
        pairs = sorted(self.relations, key=_name)
        return [(pair, self.relations[pair]) for pair in pairs if _name(pair) > after]


def _name(pair: Pair) -> str:
    return ":".join(pair)


class MemoryPrivacyStore:
    """The port PrivacyStore. Operations for `faults`: find, put."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self._privacy: dict[str, Privacy] = {}
        self._changes = MemoryChanges()

    async def prepare(self) -> None:
        """Nothing to create."""

    async def find(self, keys: Collection[str]) -> Mapping[str, Privacy]:
        async with self.faults.around("find"):
            return {user: self._privacy[user] for user in keys if user in self._privacy}

    async def changed(self, mark: object) -> Changes:
        return self._changes.since(mark)

    def key_of(self, name: str) -> str:
        return name

    async def put(self, user: str, privacy: Privacy) -> None:
        async with self.faults.around("put"):
            self._privacy[user] = privacy
            self._changes.note(user)
