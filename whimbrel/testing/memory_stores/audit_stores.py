"""What the auditor keeps and reads, without MongoDB."""

from __future__ import annotations

from collections.abc import Collection

from services.logic.audit_ports import AuditPlace
from services.logic.domain.audit import Outline
from services.logic.domain.model import StoredMessage
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore


class MemoryAuditTurn:
    """The port AuditTurn."""

    def __init__(self) -> None:
        self.place = AuditPlace()
        self._holder = ""
        self._until_ms = 0

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> AuditPlace | None:
        if self._holder not in {"", holder} and self._until_ms >= now_ms:
            return None
        self._holder, self._until_ms = holder, now_ms + lease_ms
        return self.place

    async def advance(self, holder: str, place: AuditPlace) -> bool:
        if self._holder != holder:
            return False
        self.place = place
        return True


class MemoryMessageOutlines:
    """The port MessageOutlines, over the memory of the message store."""

    def __init__(self, messages: MemoryMessageStore) -> None:
        self._messages = messages

    async def find(self, ids: Collection[int]) -> dict[int, Outline]:
        stored = self._messages.by_id
        return {one: _outline(stored[one]) for one in ids if one in stored}

    async def between(self, above: int, below: int, limit: int) -> dict[int, Outline]:
        found = sorted(one for one in self._messages.by_id if above < one < below)
        return await self.find(found[:limit])


def _outline(message: StoredMessage) -> Outline:
    return Outline(message.key.sender, message.conversation, message.participants)
