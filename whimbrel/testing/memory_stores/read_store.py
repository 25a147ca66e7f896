"""Read marks without MongoDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping


class MemoryReadStore:
    """The port ReadStore."""

    def __init__(self) -> None:
        self._marks: dict[str, dict[str, int]] = defaultdict(dict)

    async def raise_to(self, user: str, conversation: str, seq: int) -> None:
        marks = self._marks[user]
        marks[conversation] = max(seq, marks.get(conversation, 0))

    async def raise_all(self, user: str, marks: Mapping[str, int]) -> None:
        for conversation, seq in marks.items():
            await self.raise_to(user, conversation, seq)

    async def find(self, user: str) -> dict[str, int]:
        return dict(self._marks[user])
