"""Somebody has read a conversation up to a seq: nothing below wakes them any more.

MongoDB first, then the indexes: an index that was changed first could be rebuilt, or added to,
from a read mark that is not there yet (rule 20).
"""

from __future__ import annotations

from services.logic.history_ports import UnreadIndex
from services.logic.ports import TimelineStore
from services.logic.reading_ports import ReadStore, UndeliveredMarks
from services.logic.usecases.patience import Clock, until_deadline
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid


class MarkRead:
    """Raises read marks; they never go back."""

    def __init__(
        self,
        reads: ReadStore,
        timelines: TimelineStore,
        undelivered: UndeliveredMarks,
        unread: UnreadIndex,
        *,
        clock: Clock,
        deadline_seconds: float = 5.0,
    ) -> None:
        self._reads = reads
        self._timelines = timelines
        self._undelivered = undelivered
        self._unread = unread
        self._clock = clock
        self._deadline_seconds = deadline_seconds

    async def mark(self, user: str, conversation: str, seq: int) -> None:
        """`user` has read every entry of the conversation at or below `seq` of the timeline.

        Raises INVALID_ARGUMENT for a seq below 1, SEQ_AHEAD for one beyond the head (it would
        silence messages that nobody has written yet), UNAVAILABLE when a store does not answer
        within the deadline: mark again, the same mark twice changes nothing.
        """
        if seq < 1:
            raise invalid("a read mark must be at least 1")
        deadline = self._clock() + self._deadline_seconds
        heads = await until_deadline(
            lambda: self._timelines.heads([user]), deadline=deadline, clock=self._clock
        )
        if seq > heads[user]:
            raise WhimbrelError(
                ErrorCode.SEQ_AHEAD, f"the read mark {seq} lies beyond the head {heads[user]}"
            )
        await until_deadline(
            lambda: self._reads.raise_to(user, conversation, seq),
            deadline=deadline,
            clock=self._clock,
        )
        await until_deadline(
            lambda: self._undelivered.read_up_to(user, {conversation: seq}),
            deadline=deadline,
            clock=self._clock,
        )
        await until_deadline(
            lambda: self._unread.read_up_to(user, {conversation: seq}),
            deadline=deadline,
            clock=self._clock,
        )
