"""After the commit: the host product is to hear of it. Never in the way of a commit.

Events are put into an outbox, in batches, again and again until it took them. What no longer fits
into the queue is handed to the clean-up as a span of ids that is to be looked at again; what dies
with this process is found by the clean-up after it, which hands every message of a dead worker on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from services.logic.domain.events import events_of, kind_of
from services.logic.domain.model import Committed, StoredMessage
from services.logic.usecases.commit_messages import Unfinished
from services.logic.usecases.pipeline import Pipeline
from services.logic.webhook_ports import EventOutbox
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.host_events import EventKind
from whimbrel.core.ids import unix_ms_of
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_EVENTS = 500
RETRY_SECONDS = 0.5
SETTLE_MS = 1000
"""Events wait so long before they are delivered, counted from when they are recorded and not from
when they were sent: a commit may take seconds, and its batch is to be there as a whole. What
several pods commit in one conversation is in order when they record it within this time of each
other; what comes later still (its pod stood still, or died) is delivered late."""


class RecordEvents:
    """Fills the outbox; `pipeline.run` is its loop."""

    def __init__(
        self,
        outbox: EventOutbox,
        *,
        wanted: frozenset[EventKind],
        with_bodies: bool,
        on_dropped: Callable[[Unfinished], None],
        wall_ms: Callable[[], int],
        max_waiting: int,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._outbox = outbox
        self._wanted = wanted
        self._with_bodies = with_bodies
        self._on_dropped = on_dropped
        self._wall_ms = wall_ms
        self._sleep = sleep
        self.pipeline: Pipeline[StoredMessage] = Pipeline(
            self._handle, max_items=MAX_EVENTS, max_waiting=max_waiting
        )

    def enqueue(self, committed: Sequence[Committed]) -> None:
        """Never blocks the commit."""
        for one in committed:
            if kind_of(one.message) in self._wanted and not self.pipeline.offer(one.message):
                at_ms = unix_ms_of(one.message.message_id)
                self._on_dropped(Unfinished(at_ms, at_ms))

    async def _handle(self, batch: list[StoredMessage]) -> None:
        events = events_of(batch, with_bodies=self._with_bodies)
        while True:
            try:
                return await self._outbox.put(events, due_ms=self._wall_ms() + SETTLE_MS)
            except WhimbrelError as error:
                check_cancelled()  # the driver may take a cancellation for its own
                log.warning("events_not_recorded", events=len(events), detail=error.detail)
            await self._sleep(RETRY_SECONDS)
