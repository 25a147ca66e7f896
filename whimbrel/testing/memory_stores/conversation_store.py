"""`conversations` and `members` without MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from whimbrel.testing.memory_stores.faults import Faults, Pause


class MemoryConversationStore:
    """The port ConversationStore; a test may write `groups` to change members. Operations for
    `faults`: create_group, participants."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self.groups: dict[str, tuple[str, ...]] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    async def create_group(
        self, conversation: str, owner: str, members: Sequence[str], name: str, now_ms: int
    ) -> None:
        async with self.faults.around("create_group"):
            self.groups.setdefault(conversation, tuple(dict.fromkeys([owner, *members])))

    async def participants(self, conversations: Iterable[str]) -> dict[str, tuple[str, ...]]:
        async with self.faults.around("participants"):
            return {name: self.groups[name] for name in conversations if name in self.groups}
