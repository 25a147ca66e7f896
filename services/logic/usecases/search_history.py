"""Finds texts by their words, in what stands in the searcher's own timeline."""

from __future__ import annotations

from typing import NamedTuple

from services.logic.domain.model import Placement
from services.logic.domain.search_words import query_of
from services.logic.history_ports import ConversationHistory, SearchStore
from services.logic.usecases.feed_search import searched_words
from services.logic.usecases.message_bodies import MessageBodies, Shown
from services.logic.usecases.pull_recent import MAX_BYTES, check_limit
from services.logic.usecases.read_history import MAX_MESSAGE_ID, ReadHistory
from whimbrel.core.errors import invalid

MAX_LIMIT = 50
MAX_QUERY = 200
MAX_ROUNDS = 5
"""Pages of findings that one call looks through for those that the searcher may see."""


class SearchPage(NamedTuple):
    """Descending by message_id; `next_before` is 0 on the last page."""

    shown: list[Shown]
    next_before: int


class SearchHistory:
    """Pages of findings."""

    def __init__(
        self,
        store: SearchStore,
        history: ConversationHistory,
        bodies: MessageBodies,
        reader: ReadHistory,
    ) -> None:
        self._store = store
        self._history = history
        self._bodies = bodies
        self._reader = reader

    async def search(
        self, user: str, text: str, limit: int, *, conversation: str = "", before: int = 0
    ) -> SearchPage:
        """At most `limit` (1 to 50) messages that have every word of `text`, newest first, below
        `before` (0: from the newest on). A page may be short and still have a next one.

        Raises INVALID_ARGUMENT for limits and a text of no words or more than 200 characters;
        for a `conversation` UNKNOWN_CONVERSATION and NOT_A_MEMBER; UNAVAILABLE.
        """
        check_limit(limit, MAX_LIMIT, "limit")
        if len(text) > MAX_QUERY:
            raise invalid(f"the query must be 1 to {MAX_QUERY} characters, not {len(text)}")
        query = query_of(text)
        if not query.words and not query.prefix:
            raise invalid("the query must have at least one word")
        if before > MAX_MESSAGE_ID:
            raise invalid(f"before must be 0 to {MAX_MESSAGE_ID}, not {before}")
        if conversation:
            await self._reader.check_reader(user, conversation)
        names = [conversation] if conversation else await self._history.conversations(user)
        shown: list[Shown] = []
        below = before or MAX_MESSAGE_ID
        for _ in range(MAX_ROUNDS):
            found = await self._store.find(names, query, below, limit)
            places = [Placement(user, name, one) for one, name in found]
            placed = await self._history.placed(places)
            mine = [placed[place] for place in places if place in placed]
            messages = await self._bodies.messages(mine)
            for entry in mine:
                message = messages.get(entry.message_id or 0)
                # The index may lag behind a recall or an edit.
                if message is None or not query.matches(searched_words(message)):
                    continue
                shown.append(self._bodies.shown(entry, message))
                below = message.message_id
                if len(shown) == limit or sum(len(each.message) for each in shown) > MAX_BYTES:
                    return SearchPage(shown, below)
            if len(found) < limit:
                return SearchPage(shown, 0)
            below = found[-1].message_id
        return SearchPage(shown, below)
