"""Revocations without MongoDB."""

from __future__ import annotations

from collections.abc import Sequence

from whimbrel.core.revocations import Revocation
from whimbrel.runtime.revocation_store import PAGE, RevocationPage


class MemoryRevocationStore:
    """The port RevocationStore. A mark is the number of writes that were looked at."""

    def __init__(self, *, page: int = PAGE) -> None:
        self._writes: list[Revocation] = []
        self._page = page

    async def add(self, revocations: Sequence[Revocation]) -> None:
        self._writes.extend(revocations)

    async def since(self, mark_ms: int) -> RevocationPage:
        found = self._writes[mark_ms : mark_ms + self._page]
        mark_ms += len(found)
        return RevocationPage(found, mark_ms, mark_ms < len(self._writes))
