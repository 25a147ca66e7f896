"""The conversations of a user with what a list shows of each, and what the user sets for them.

Which conversations there are, their last messages and counts are in Redis beside each other; a
list is three round trips, however many conversations there are. What was lost is rebuilt first.
"""

from __future__ import annotations

from typing import NamedTuple

from services.logic.domain.history import ConversationSettings
from services.logic.domain.model import Placement
from services.logic.history_ports import ConversationHistory, SettingsStore, UnreadIndex
from services.logic.reading_ports import UndeliveredMarks
from services.logic.usecases.message_bodies import MessageBodies, Shown
from services.logic.usecases.pull_recent import MAX_BYTES, check_limit
from services.logic.usecases.read_history import ReadHistory
from services.logic.usecases.rebuild_undelivered import RebuildUndelivered
from services.logic.usecases.rebuild_unread import RebuildUnread
from whimbrel.core.errors import invalid

MAX_LIMIT = 100
_UNSET = ConversationSettings()


class Listed(NamedTuple):
    """One conversation of the list."""

    conversation: str
    last: Shown
    unread: int
    undelivered: int
    settings: ConversationSettings


class ConversationList(NamedTuple):
    """A page; `next_token` is empty on the last one."""

    listed: list[Listed]
    next_token: str
    total_unread: int


class _Place(NamedTuple):
    """Where a conversation stands in the list; the highest comes first."""

    is_pinned: bool
    latest: int

    def token(self) -> str:
        return f"{int(self.is_pinned)}.{self.latest}"


class ListConversations:
    """Lists conversations; changes their settings."""

    def __init__(
        self,
        unread: UnreadIndex,
        undelivered: UndeliveredMarks,
        rebuild_unread: RebuildUnread,
        rebuild_undelivered: RebuildUndelivered,
        settings: SettingsStore,
        history: ConversationHistory,
        bodies: MessageBodies,
        reader: ReadHistory,
    ) -> None:
        self._unread = unread
        self._undelivered = undelivered
        self._rebuild_unread = rebuild_unread
        self._rebuild_undelivered = rebuild_undelivered
        self._settings = settings
        self._history = history
        self._bodies = bodies
        self._reader = reader

    async def page(self, user: str, limit: int, token: str = "") -> ConversationList:
        """At most `limit` (1 to 100) conversations, pinned ones first, then by their newest
        message. What moves up between two pages is not on the later one: read the first again.

        Raises INVALID_ARGUMENT for a limit out of bounds or a token of somebody else's making,
        UNAVAILABLE when a store does not answer.
        """
        check_limit(limit, MAX_LIMIT, "limit")
        below = _place_of(token)
        await self._rebuild_unread.rebuild_lost([user])
        await self._rebuild_undelivered.rebuild_lost([user])
        state = await self._unread.state(user)
        undelivered = await self._undelivered.counts(user)
        settings = await self._settings.find(user)
        places = {
            name: _Place(settings.get(name, _UNSET).is_pinned, one.latest)
            for name, one in state.items()
        }
        names = sorted(
            (name for name, place in places.items() if below is None or place < below),
            key=lambda name: places[name],
            reverse=True,
        )
        chosen = names[:limit]
        last = await self._last_messages(user, {name: state[name].latest for name in chosen})
        chosen = [name for name in chosen if name in last]
        listed = [
            Listed(
                name,
                last[name],
                state[name].unread,
                undelivered.get(name, 0),
                settings.get(name, _UNSET),
            )
            for name in _fitting(chosen, last)
        ]
        is_last = len(names) <= limit and len(listed) == len(chosen)
        return ConversationList(
            listed,
            "" if is_last or not listed else places[listed[-1].conversation].token(),
            sum(one.unread for one in state.values()),
        )

    async def change(
        self, user: str, conversation: str, *, is_pinned: bool | None, is_muted: bool | None
    ) -> ConversationSettings:
        """Set what is not None for this user; what holds then. Raises UNKNOWN_CONVERSATION,
        NOT_A_MEMBER (see ReadHistory.read), UNAVAILABLE."""
        await self._reader.check_reader(user, conversation)
        return await self._settings.change(
            user, conversation, is_pinned=is_pinned, is_muted=is_muted
        )

    async def _last_messages(self, user: str, latest: dict[str, int]) -> dict[str, Shown]:
        places = [Placement(user, name, message_id) for name, message_id in latest.items()]
        entries = list((await self._history.placed(places)).values())
        return {one.entry.conversation: one for one in await self._bodies.stored(entries)}


def _fitting(names: list[str], last: dict[str, Shown]) -> list[str]:
    """As many as fit into an answer, at least one."""
    size = 0
    for index, name in enumerate(names):
        size += len(last[name].message)
        if index and size > MAX_BYTES:
            return names[:index]
    return names


def _place_of(token: str) -> _Place | None:
    if not token:
        return None
    pinned, _, latest = token.partition(".")
    if pinned not in {"0", "1"} or not (latest.isascii() and latest.isdigit()) or len(latest) > 19:
        raise invalid("page_token must be one that a list has answered")
    return _Place(pinned == "1", int(latest))
