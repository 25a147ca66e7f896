"""Who may show a medium, without MongoDB."""

from __future__ import annotations

from collections.abc import Collection

from whimbrel.testing.memory_stores.message_store import MemoryMessageStore


class MemoryMediaRights:
    """The port MediaRights, over the messages that the commit fills. `media`: (owner, whether it
    is complete) by media_id, as a test wants it."""

    def __init__(self, messages: MemoryMessageStore | None = None) -> None:
        self.media: dict[str, tuple[str, bool]] = {}
        self._messages = messages or MemoryMessageStore()

    async def prepare(self) -> None:
        """Nothing to create."""

    async def look(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        found = {}
        for user, media_id in wanted:
            owner, is_complete = self.media.get(media_id, ("", False))
            if owner == user:
                found[user, media_id] = is_complete
            elif owner and self._was_shown(user, media_id):
                found[user, media_id] = True
        return found

    def _was_shown(self, user: str, media_id: str) -> bool:
        return any(
            message.attributes.media_id == media_id
            and user in message.participants
            and not message.recalled_by
            for message in self._messages.by_id.values()
        )
