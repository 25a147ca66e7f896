"""Search without MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.logic.domain.history import Found, SearchDocument
from services.logic.domain.search_words import Query
from whimbrel.api.types.v1 import types_pb2
from whimbrel.testing.memory_stores.faults import Faults
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore


class MemorySearchStore:
    """The port SearchStore; `documents` is everything it has. Operations for `faults`: insert,
    replace."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.documents: dict[int, SearchDocument] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    async def insert(self, documents: Sequence[SearchDocument]) -> None:
        async with self.faults.around("insert"):
            for document in documents:
                self.documents.setdefault(document.message_id, document)

    async def replace(self, documents: Sequence[SearchDocument]) -> None:
        async with self.faults.around("replace"):
            for document in documents:
                known = self.documents.get(document.message_id)
                if known is None or known.changed_by < document.changed_by:
                    self.documents[document.message_id] = document

    async def missing(self, ids: Iterable[int]) -> set[int]:
        return set(ids) - self.documents.keys()

    async def find(
        self, conversations: Sequence[str], query: Query, before: int, limit: int
    ) -> list[Found]:
        if not query.words and not query.prefix:
            return []
        found = [
            Found(one.message_id, one.conversation)
            for one in self.documents.values()
            if one.message_id < before
            and one.conversation in conversations
            and query.matches(one.words)
        ]
        return sorted(found, reverse=True)[: max(0, limit)]


class MemorySearchFeed:
    """The port SearchFeed."""

    def __init__(self) -> None:
        self.fed_to = 0
        self._holder = ""
        self._until_ms = 0

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> int | None:
        if self._holder not in {"", holder} and self._until_ms >= now_ms:
            return None
        self._holder, self._until_ms = holder, now_ms + lease_ms
        return self.fed_to

    async def advance(self, holder: str, fed_to: int, *, until_ms: int) -> bool:
        if self._holder != holder:
            return False
        self.fed_to = max(self.fed_to, fed_to)
        self._until_ms = max(self._until_ms, until_ms)
        return True


class MemoryTextLog:
    """The port TextLog, over the memory of the message store."""

    def __init__(self, messages: MemoryMessageStore) -> None:
        self._messages = messages

    async def texts(self, above: int, below: int, limit: int) -> list[tuple[int, str]]:
        rows = sorted(self._messages.by_id.items())
        return [
            (message_id, row.key.sender)
            for message_id, row in rows
            if above < message_id < below and row.body_kind == types_pb2.BODY_KIND_TEXT
        ][:limit]
