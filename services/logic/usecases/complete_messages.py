"""Completes messages that are stored: whoever sent them, whoever left them half done.

A resend, the clean-up of a dead worker and a commit that ran out of time all end here. A stored
message is only completed and answered, never checked again, and for the participants that it
stores, whoever they are today (rule 2).
"""

from __future__ import annotations

from collections.abc import Sequence

from services.logic.domain.model import Committed, Placement, StoredMessage, TimelineEntry
from services.logic.domain.reserved import Wanted
from services.logic.ports import TimelineStore
from services.logic.usecases.patience import Clock, until_deadline
from services.logic.usecases.place_entries import PlaceEntries


class CompleteMessages:
    """Find the entries that exist, place those that do not."""

    def __init__(self, timelines: TimelineStore, placer: PlaceEntries, *, clock: Clock) -> None:
        self._timelines = timelines
        self._placer = placer
        self._clock = clock

    async def complete(
        self, messages: Sequence[StoredMessage], *, deadline: float
    ) -> list[Committed]:
        """All entries of each message are committed on return, in the order of `messages`.

        Entries that are written here are marked late: the conversation may have gone on.
        Raises UNAVAILABLE with outcome_unknown at the deadline.
        """
        if not messages:
            return []
        places = [
            Placement(user, message.conversation, message.message_id)
            for message in messages
            for user in message.participants
        ]
        standing = await until_deadline(
            lambda: self._timelines.find_placed(places), deadline=deadline, clock=self._clock
        )
        results = [Committed(message) for message in messages]
        by_id = {result.message.message_id: result for result in results}
        wanted = []
        for place in places:
            result = by_id[place.message_id]
            seq = standing.get(place)
            if seq is None:
                wanted.append(Wanted(place.user, result.message))
            else:
                result.entries.append(_entry(place.user, seq, result.message))
        for entry in await self._placer.place(wanted, deadline=deadline, late=True):
            by_id[entry.message_id or 0].entries.append(entry)
        return results


def _entry(user: str, seq: int, message: StoredMessage) -> TimelineEntry:
    # Whether it was late when it was first written is not known here; saying so is harmless,
    # since the client decides by message_id.
    return TimelineEntry(
        user, seq, message.message_id, message.conversation, message.key.sender, late=True
    )
