"""Settings of conversations without MongoDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from services.logic.domain.history import ConversationSettings


class MemorySettingsStore:
    """The port SettingsStore."""

    def __init__(self) -> None:
        self._users: dict[str, dict[str, ConversationSettings]] = defaultdict(dict)

    async def prepare(self) -> None:
        """Nothing to create."""

    async def change(
        self, user: str, conversation: str, *, is_pinned: bool | None, is_muted: bool | None
    ) -> ConversationSettings:
        before = self._users[user].get(conversation, ConversationSettings())
        after = ConversationSettings(
            before.is_pinned if is_pinned is None else is_pinned,
            before.is_muted if is_muted is None else is_muted,
        )
        if is_pinned is not None or is_muted is not None:
            self._users[user][conversation] = after
        return after

    async def find(self, user: str) -> dict[str, ConversationSettings]:
        return dict(self._users[user])

    async def muted(self, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        unset = ConversationSettings()
        return {(user, name) for user, name in pairs if self._users[user].get(name, unset).is_muted}
