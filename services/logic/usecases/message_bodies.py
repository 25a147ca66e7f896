"""The messages of timeline entries, as clients see them.

From the cache in Redis or, through it, from MongoDB. A cache that does not answer costs time and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import structlog

from services.logic.domain.history import CachedMessage
from services.logic.domain.model import StoredMessage, TimelineEntry
from services.logic.history_ports import MessageCache
from services.logic.ports import MessageStore
from whimbrel.core.errors import WhimbrelError

log = structlog.get_logger(__name__)

Render = Callable[[StoredMessage], bytes]
"""A message as clients see it, serialized."""


class Shown(NamedTuple):
    """An entry with its message."""

    entry: TimelineEntry
    message: bytes


class MessageBodies:
    """Reads messages; remembers what somebody is about to pull."""

    def __init__(self, messages: MessageStore, cache: MessageCache, render: Render) -> None:
        self._messages = messages
        self._cache = cache
        self._render = render

    async def remember(self, messages: Sequence[StoredMessage]) -> None:
        """Keep them for those who will pull them. Raises UNAVAILABLE when Redis does not
        answer."""
        await self._cache.remember(
            [CachedMessage(one.message_id, one.conversation, self._render(one)) for one in messages]
        )

    async def stored(self, entries: Sequence[TimelineEntry]) -> list[Shown]:
        """The entries with their messages as MongoDB has them now, in the same order; voids are
        left out. Raises UNAVAILABLE."""
        senders = {one.message_id: one.sender for one in entries if one.message_id is not None}
        found = await self._messages.find(senders)
        return [
            Shown(entry, self._render(found[entry.message_id]))
            for entry in entries
            if entry.message_id in found
        ]

    async def cached(self, ids: Mapping[int, str]) -> dict[int, bytes]:
        """What the cache has of these messages, each with its conversation; nothing when Redis
        does not answer."""
        try:
            return await self._cache.find(ids)
        except WhimbrelError as error:
            log.warning("message_cache_away", detail=error.detail)
            return {}

    async def through(self, entries: Sequence[TimelineEntry]) -> dict[int, bytes]:
        """The messages of these entries from MongoDB, which the cache remembers from now on."""
        shown = [
            CachedMessage(entry.message_id, entry.conversation, message)
            for entry, message in await self.stored(entries)
            if entry.message_id is not None
        ]
        try:
            await self._cache.remember(shown)
        except WhimbrelError as error:
            log.warning("message_cache_away", detail=error.detail)
        return {one.message_id: one.message for one in shown}
