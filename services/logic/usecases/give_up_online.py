"""A device did not acknowledge in time, not after a redelivery either: treat it as offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.logic.domain.model import PushJob
from services.logic.ports import TimelineStore
from services.logic.usecases.treat_as_offline import TreatAsOffline
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_RANGE = 1000


class UnacknowledgedRange(NamedTuple):
    """Entries that a session was sent and did not acknowledge."""

    user: str
    device: str
    from_seq: int
    to_seq: int


class GiveUpOnline:
    """Treat the entries as undelivered; the index skips what another device of the user has
    acknowledged meanwhile."""

    def __init__(self, timelines: TimelineStore, offline: TreatAsOffline) -> None:
        self._timelines = timelines
        self._offline = offline

    async def give_up(self, ranges: Sequence[UnacknowledgedRange]) -> None:
        """A store that does not answer is logged: heads and cursors bring the users back."""
        for one in ranges:
            limit = min(MAX_RANGE, one.to_seq - one.from_seq + 1)
            try:
                rows = await self._timelines.read(one.user, one.from_seq, limit)
            except WhimbrelError as error:
                log.warning("unacknowledged_not_indexed", user=one.user, detail=error.detail)
                continue
            self._offline.enqueue(
                PushJob(one.user, row.conversation, row.sender, row.message_id, row.seq)
                for row in rows
                if row.message_id is not None and row.seq <= one.to_seq and row.sender != one.user
            )
