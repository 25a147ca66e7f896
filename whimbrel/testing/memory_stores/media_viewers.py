"""Who may see a medium beside its owner, without MongoDB."""

from __future__ import annotations

from whimbrel.testing.memory_stores.message_store import MemoryMessageStore


class MemoryMediaViewers:
    """The port MediaViewers, over the messages that the commit fills. `avatars`: media_id by
    user, as a test wants it."""

    def __init__(self, messages: MemoryMessageStore) -> None:
        self._messages = messages
        self.avatars: dict[str, str] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    async def may_see(self, user_id: str, media_id: str) -> bool:
        return any(
            message.attributes.media_id == media_id != ""
            and user_id in message.participants
            and not message.recalled_by
            for message in self._messages.by_id.values()
        )

    async def is_avatar(self, owner: str, media_id: str) -> bool:
        return self.avatars.get(owner) == media_id
