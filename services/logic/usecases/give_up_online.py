"""A device did not acknowledge in time, not after a redelivery either: treat it as offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from services.logic.domain.model import PushJob, UndeliveredEntry
from services.logic.ports import PushQueue, TimelineStore, UndeliveredIndex
from services.logic.usecases.fan_out import treat_as_offline
from whimbrel.core.errors import WhimbrelError

log = structlog.get_logger(__name__)

MAX_RANGE = 1000


class UnacknowledgedRange(NamedTuple):
    """Entries that a session was sent and did not acknowledge."""

    user: str
    device: str
    from_seq: int
    to_seq: int


class GiveUpOnline:
    """Index the entries as undelivered and enqueue push jobs for them."""

    def __init__(
        self, timelines: TimelineStore, undelivered: UndeliveredIndex, push_queue: PushQueue
    ) -> None:
        self._timelines = timelines
        self._undelivered = undelivered
        self._push_queue = push_queue

    async def give_up(self, ranges: Sequence[UnacknowledgedRange]) -> None:
        """The index skips what another device of the user has acknowledged meanwhile. A store
        that does not answer is logged: heads and cursors bring the users back."""
        for one in ranges:
            limit = min(MAX_RANGE, one.to_seq - one.from_seq + 1)
            try:
                rows = await self._timelines.read(one.user, one.from_seq, limit)
            except WhimbrelError as error:
                log.warning("unacknowledged_not_indexed", user=one.user, detail=error.detail)
                continue
            entries, jobs = [], []
            for row in rows:
                if row.message_id is None or row.seq > one.to_seq or row.sender == one.user:
                    continue
                entries.append(
                    UndeliveredEntry(one.user, row.conversation, row.message_id, row.seq)
                )
                jobs.append(
                    PushJob(one.user, row.conversation, row.sender, row.message_id, row.seq)
                )
            if entries:
                await treat_as_offline(self._undelivered, self._push_queue, entries, jobs)
