"""Sees whether anybody delivers what is recorded: Logic records events when it is given their URL,
and push delivers when it is given it too. A push that was not told says nothing, so Logic does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.logic.webhook_ports import EventOutbox, OutboxState
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

LOOK_EVERY_SECONDS = 15.0
UNTAKEN_MS = 60_000
"""After which it is said. A push pod that lives takes what is due within a second; keys that fail
are not due until their pause is over."""


class WatchOutbox:
    """`run` is its loop; `last` what it saw."""

    def __init__(
        self,
        outbox: EventOutbox,
        *,
        wall_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._outbox = outbox
        self._wall_ms = wall_ms
        self._sleep = sleep
        self._is_untaken = False
        self.last = OutboxState(0, 0, 0, 0)
        self.looked_ms = 0

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except WhimbrelError as error:
                check_cancelled()  # the driver may take a cancellation for its own
                log.info("outbox_not_looked_at", detail=error.detail)
            await self._sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> OutboxState:
        """Look once; says it once when nobody delivers. Raises UNAVAILABLE."""
        now_ms = self._wall_ms()
        state = await self._outbox.state(now_ms=now_ms)
        is_untaken = state.untaken_ms >= UNTAKEN_MS
        if is_untaken and not self._is_untaken:
            log.warning(
                "events_not_taken",
                waiting=state.waiting,
                seconds=state.untaken_ms // 1000,
                hint="is there a push pod with WHIMBREL_WEBHOOKS__EVENTS_URL?",
            )
        elif self._is_untaken and not is_untaken:
            log.info("events_taken_again", waiting=state.waiting)
        self.last, self.looked_ms, self._is_untaken = state, now_ms, is_untaken
        return state

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest event that waited at the last look."""
        oldest_ms = self.last.oldest_at_ms
        return max(0, self.looked_ms - oldest_ms) / 1000 if oldest_ms else 0.0
