"""A human has read up to a message: the read mark first, then the cursor that others may see.

What names a message that is not in the reader's own timeline is no read mark and is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.logic.domain.model import Placement, ReadReceipt
from services.logic.domain.signals import Signal
from services.logic.ports import TimelineStore
from services.logic.reading_ports import ReceiptStore
from services.logic.usecases.mark_read import MarkRead

AT_ONCE = 16
"""Read marks that are raised at the same time: a burst of readers must not take the stores from
those who write."""


class NoteReads:
    """Stores what was read."""

    def __init__(
        self, timelines: TimelineStore, mark_read: MarkRead, receipts: ReceiptStore
    ) -> None:
        self._timelines = timelines
        self._mark_read = mark_read
        self._receipts = receipts

    async def note(self, reads: Sequence[Signal]) -> list[Signal]:
        """Those that are stored now. Raises UNAVAILABLE when a store does not answer: some may
        be stored, and storing them again changes nothing."""
        if not reads:
            return []
        places = {one: Placement(one.user, one.conversation, one.message_id) for one in reads}
        seqs = await self._timelines.find_placed(places.values())
        noted = [one for one in reads if places[one] in seqs]
        for start in range(0, len(noted), AT_ONCE):
            results = await asyncio.gather(
                *(
                    self._mark_read.mark(one.user, one.conversation, seqs[places[one]])
                    for one in noted[start : start + AT_ONCE]
                ),
                return_exceptions=True,
            )
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        if noted:
            await self._receipts.raise_all(
                [ReadReceipt(one.user, one.conversation, one.message_id) for one in noted]
            )
        return noted
