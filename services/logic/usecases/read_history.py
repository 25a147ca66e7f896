"""One conversation as a user has it, in the order of message_id.

Read from the reader's own timeline (rule 26): it shows what was placed there and nothing else,
also to somebody who has left a group, and to somebody who joined it only from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from services.logic.domain.model import TimelineEntry
from services.logic.history_ports import ConversationHistory
from services.logic.usecases.groups import Groups
from services.logic.usecases.message_bodies import MessageBodies, Shown
from services.logic.usecases.pull_recent import MAX_BYTES, check_limit
from whimbrel.core.errors import invalid

MAX_LIMIT = 100
MAX_MESSAGE_ID = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Position:
    """Where to read; at most one is set, none means the newest messages."""

    before: int | None = None
    after: int | None = None
    around: int | None = None


class HistoryPage(NamedTuple):
    """Ascending by message_id."""

    shown: list[Shown]
    has_older: bool
    has_newer: bool


class ReadHistory:
    """Pages of conversations."""

    def __init__(self, history: ConversationHistory, bodies: MessageBodies, groups: Groups) -> None:
        self._history = history
        self._bodies = bodies
        self._groups = groups

    async def read(
        self, user: str, conversation: str, position: Position, limit: int
    ) -> HistoryPage:
        """At most `limit` messages (1 to 100) and 2 MiB of them, those nearest to the position.

        Raises INVALID_ARGUMENT for a limit or message_id out of bounds, UNKNOWN_CONVERSATION;
        NOT_A_MEMBER when the user neither is a member nor has a message of it; UNAVAILABLE.
        """
        check_limit(limit, MAX_LIMIT, "limit")
        for message_id in (position.before, position.after, position.around):
            if message_id is not None and message_id > MAX_MESSAGE_ID:
                raise invalid(f"message_id must be 0 to {MAX_MESSAGE_ID}, not {message_id}")
        entries, anchor = await self._entries(user, conversation, position, limit)
        if not entries:
            await self.check_reader(user, conversation)
        shown = _nearest(await self._bodies.stored(entries), anchor)
        if not shown:
            return HistoryPage([], has_older=False, has_newer=False)
        first, last = (one.entry.message_id or 0 for one in (shown[0], shown[-1]))
        older = await self._history.before(user, conversation, first, 1)
        newer = await self._history.after(user, conversation, last, 1)
        return HistoryPage(shown, has_older=bool(older), has_newer=bool(newer))

    async def check_reader(self, user: str, conversation: str) -> None:
        """Raise UNKNOWN_CONVERSATION or NOT_A_MEMBER unless the user is a member, or has a
        message of it from a time as one."""
        if not await self._history.before(user, conversation, None, 1):
            await self._groups.members(user, conversation)

    async def _entries(
        self, user: str, conversation: str, position: Position, limit: int
    ) -> tuple[list[TimelineEntry], int]:
        """The entries, and the index of the one that is nearest to the position."""
        if position.after is not None:
            return await self._history.after(user, conversation, position.after, limit), 0
        if position.around is None:
            entries = await self._history.before(user, conversation, position.before, limit)
            return entries, max(0, len(entries) - 1)
        older = await self._history.before(user, conversation, position.around, limit // 2)
        newer = await self._history.after(
            user, conversation, position.around - 1, limit - len(older)
        )
        return [*older, *newer], min(len(older), max(0, len(older) + len(newer) - 1))


def _nearest(shown: list[Shown], anchor: int) -> list[Shown]:
    """As many around the anchor as fit into an answer, it always among them."""
    if not shown:
        return []
    first = last = min(anchor, len(shown) - 1)
    size = len(shown[first].message)
    while True:
        grew = False
        for index in (last + 1, first - 1):
            if 0 <= index < len(shown) and size + len(shown[index].message) <= MAX_BYTES:
                size += len(shown[index].message)
                first, last = min(first, index), max(last, index)
                grew = True
        if not grew:
            return shown[first : last + 1]
