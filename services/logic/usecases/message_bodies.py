"""The messages of timeline entries, as clients see them.

From the cache in Redis or, through it, from MongoDB. A cache that does not answer costs time and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from services.logic.domain.history import CachedMessage
from services.logic.domain.model import StoredMessage, TimelineEntry
from services.logic.history_ports import MessageCache
from services.logic.ports import MessageStore
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

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
            [
                CachedMessage(one.message_id, one.conversation, self._render(one))
                for one in messages
                if _may_be_cached(one)
            ]
        )

    async def messages(self, entries: Sequence[TimelineEntry]) -> dict[int, StoredMessage]:
        """The messages of these entries as MongoDB has them now. Raises UNAVAILABLE."""
        return await self._messages.find(
            {one.message_id: one.sender for one in entries if one.message_id is not None}
        )

    async def stored(self, entries: Sequence[TimelineEntry]) -> list[Shown]:
        """The entries with their messages as MongoDB has them now, in the same order; voids are
        left out. Raises UNAVAILABLE."""
        found = await self.messages(entries)
        return [
            Shown(entry, self._render(found[entry.message_id]))
            for entry in entries
            if entry.message_id in found
        ]

    def shown(self, entry: TimelineEntry, message: StoredMessage) -> Shown:
        """The entry with this message, as clients see it."""
        return Shown(entry, self._render(message))

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
        found = await self.messages(entries)
        try:
            await self.remember(list(found.values()))
        except WhimbrelError as error:
            log.warning("message_cache_away", detail=error.detail)
        return {one.message_id: self._render(one) for one in found.values()}


def _may_be_cached(message: StoredMessage) -> bool:
    """A recall empties the edits of its target too, and nobody tells the cache which those are."""
    return not message.attributes.edits
