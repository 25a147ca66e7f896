"""What no device of a user has, for a device that pulls instead of holding a stream.

Pulling reads the undelivered index and changes nothing. What was pulled is said afterwards, by
conversation and message_id, and becomes a pull mark: stored in MongoDB first, then removed from
the index (rule 20). It never moves the cursor of a device: a cursor says that a device has
everything below, in all conversations, and a stream of that device would begin above it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from services.logic.domain.history import Trimmed, Waiting
from services.logic.domain.model import Placement
from services.logic.history_ports import ConversationHistory
from services.logic.reading_ports import ReadStore, UndeliveredMarks
from services.logic.usecases.message_bodies import MessageBodies
from services.logic.usecases.patience import Clock, until_deadline
from services.logic.usecases.rebuild_undelivered import RebuildUndelivered
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid

MAX_CONVERSATIONS = 200
MAX_MESSAGES = 100
MAX_BYTES = 2 << 20
"""Of messages in one answer: it has to fit into a frame between two pods."""


class Pulled(NamedTuple):
    """A message, serialized, and where it stands in the user's timeline."""

    seq: int
    message: bytes


class Recent(NamedTuple):
    """What is undelivered in one conversation, and the first of it by seq."""

    conversation: str
    total: int
    first: list[Pulled]


class RecentPage(NamedTuple):
    """The conversations with the newest entries first."""

    conversations: list[Recent]
    has_more: bool


class PullRecent:
    """Reads the undelivered index, and takes what was pulled out of it."""

    def __init__(
        self,
        undelivered: UndeliveredMarks,
        rebuild: RebuildUndelivered,
        pulls: ReadStore,
        history: ConversationHistory,
        bodies: MessageBodies,
        *,
        clock: Clock,
        deadline_seconds: float = 5.0,
    ) -> None:
        self._undelivered = undelivered
        self._rebuild = rebuild
        self._pulls = pulls
        self._history = history
        self._bodies = bodies
        self._clock = clock
        self._deadline_seconds = deadline_seconds

    async def pull(self, user: str, conversations: int, messages: int) -> RecentPage:
        """The first undelivered `messages` (1 to 100) of each of at most so many conversations
        (1 to 200), at most 2 MiB in all. A lost index is rebuilt first.

        Raises INVALID_ARGUMENT, or UNAVAILABLE when a store does not answer.
        """
        check_limit(conversations, MAX_CONVERSATIONS, "conversations")
        check_limit(messages, MAX_MESSAGES, "messages")
        # One conversation more than is wanted says whether there are more. Whether the index is
        # complete is asked at the same time: it nearly always is.
        waiting, rebuilt = await asyncio.gather(
            self._undelivered.waiting(user, conversations + 1, messages),
            self._rebuild.rebuild_lost([user]),
        )
        if rebuilt:
            waiting = await self._undelivered.waiting(user, conversations + 1, messages)
        has_more = len(waiting) > conversations
        waiting = sorted(waiting[:conversations], key=lambda one: one.first[-1].seq, reverse=True)
        bodies = await self._messages(user, waiting)
        page: list[Recent] = []
        size = 0
        for conversation, total, first in waiting:
            pulled: list[Pulled] = []
            for message_id, seq in first:
                message = bodies.get(message_id)
                if message is None:
                    continue
                size += len(message)
                if size > MAX_BYTES and (page or pulled):
                    break
                pulled.append(Pulled(seq, message))
            has_more = has_more or len(pulled) < total
            if pulled:
                page.append(Recent(conversation, total, pulled))
        return RecentPage(page, has_more)

    async def _messages(self, user: str, waiting: list[Waiting]) -> dict[int, bytes]:
        conversation_of = {one.message_id: row.conversation for row in waiting for one in row.first}
        found = await self._bodies.cached(conversation_of)
        missing = [
            Placement(user, conversation, message_id)
            for message_id, conversation in conversation_of.items()
            if message_id not in found
        ]
        if missing:
            placed = await self._history.placed(missing)
            found |= await self._bodies.through(list(placed.values()))
        return found

    async def mark_pulled(self, user: str, message_ids: Mapping[str, int]) -> dict[str, Trimmed]:
        """The user has pulled each conversation up to the entry of this message; what that took
        out of the index. The same marks twice change nothing.

        Raises INVALID_ARGUMENT for none or more than 200; NOT_FOUND, and nothing changes, when
        one of the messages does not stand in the user's timeline under that conversation;
        UNAVAILABLE when a store does not answer within the deadline: mark again.
        """
        if not 1 <= len(message_ids) <= MAX_CONVERSATIONS:
            raise invalid(f"name 1 to {MAX_CONVERSATIONS} conversations, not {len(message_ids)}")
        deadline = self._clock() + self._deadline_seconds
        places = [Placement(user, name, one) for name, one in message_ids.items()]
        placed = await until_deadline(
            lambda: self._history.placed(places), deadline=deadline, clock=self._clock
        )
        for place in places:
            if place not in placed:
                raise no_such_message(place.conversation, place.message_id)
        marks = {entry.conversation: entry.seq for entry in placed.values()}
        await until_deadline(
            lambda: self._pulls.raise_all(user, marks), deadline=deadline, clock=self._clock
        )
        return await until_deadline(
            lambda: self._undelivered.pulled_up_to(user, marks),
            deadline=deadline,
            clock=self._clock,
        )


def check_limit(value: int, most: int, what: str) -> None:
    """Raise INVALID_ARGUMENT unless 1 <= value <= most."""
    if not 1 <= value <= most:
        raise invalid(f"{what} must be 1 to {most}, not {value}")


def no_such_message(conversation: str, message_id: int) -> WhimbrelError:
    """NOT_FOUND: it is not in the caller's timeline, whether or not somebody else has it."""
    return WhimbrelError(
        ErrorCode.NOT_FOUND, f"you have no message {message_id} in {conversation[:140]!r}"
    )
