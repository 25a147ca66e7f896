"""The host product is to hear who comes online and who goes offline.

Two ways lead to a look at a user: a pod says that a device has come or gone, and the time has come
to look again. Any Logic pod may take either: what is known is in the store, and of two that look
at the same moment one changes it. A lookup that fails means nothing, and is repeated (rule 11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from services.logic.domain.standings import look_at, presence_event, told
from services.logic.signal_ports import Whereabouts
from services.logic.usecases.pipeline import Pipeline
from services.logic.usecases.record_events import SETTLE_MS
from services.logic.webhook_ports import EventOutbox, Standings
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.host_events import EventKind
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_USERS = 500
MAX_WAITING = 10_000
RETRY_SECONDS = 0.5
SETTLE_SECONDS = 0.25
"""Between two batches: a device that moves goes and comes in the same moment."""
LOOK_EVERY_SECONDS = 1.0


class TellPresence:
    """`changed` from any link; `pipeline.run` and `run` are its loops."""

    def __init__(
        self,
        standings: Standings,
        whereabouts: Whereabouts,
        outbox: EventOutbox,
        *,
        wanted: frozenset[EventKind],
        offline_seconds: float,
        wall_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._standings = standings
        self._whereabouts = whereabouts
        self._outbox = outbox
        self._wanted = wanted
        self._grace_ms = round(offline_seconds * 1000)
        self._wall_ms = wall_ms
        self._sleep = sleep
        self.dropped = 0
        """Changes that did not fit in: who has gone is found by a later look, who has come at
        the next change."""
        self.pipeline: Pipeline[str] = Pipeline(
            self._handle, max_items=MAX_USERS, max_waiting=MAX_WAITING
        )

    def changed(self, user: str) -> None:
        """A device of the user has come or gone. Never waits."""
        if not self.pipeline.offer(user):
            self.dropped += 1

    async def run(self) -> None:
        """Look at whoever is due, until cancelled; what is away is logged and asked again."""
        while True:
            await self._sleep(LOOK_EVERY_SECONDS)
            try:
                while await self.look_at_due() == MAX_USERS:
                    pass
            except WhimbrelError as error:
                check_cancelled()  # the driver may take a cancellation for its own
                log.warning("presence_not_looked_at", detail=error.detail)

    async def look_at_due(self) -> int:
        """Look at those who are due, and how many they were. Raises UNAVAILABLE."""
        users = await self._standings.due(now_ms=self._wall_ms(), limit=MAX_USERS)
        await self.look_at(users)
        return len(users)

    async def look_at(self, users: Sequence[str]) -> None:
        """Look, store the turns, and tell them. Raises UNAVAILABLE: look again."""
        if not users:
            return
        known = await self._standings.find(users)
        found = await self._whereabouts.whereabouts(users)
        now_ms = self._wall_ms()
        looked = {
            user: look_at(
                user,
                known.get(user),
                is_attached=bool(found[user]),
                now_ms=now_ms,
                grace_ms=self._grace_ms,
            )
            for user in users
        }
        changed = [one for user, one in looked.items() if one and one is not known.get(user)]
        await self._standings.put(changed)
        if any(one is not None and not one.is_told for one in looked.values()):
            await self._tell(users)

    async def _tell(self, users: Sequence[str]) -> None:
        # Asked for once more: of two pods that looked, the other one may have been faster.
        untold = [one for one in (await self._standings.find(users)).values() if not one.is_told]
        now_ms = self._wall_ms()
        events = [presence_event(one) for one in untold]
        wanted = [
            event
            for event, one in zip(events, untold, strict=True)
            if (EventKind.USER_ONLINE if one.is_online else EventKind.USER_OFFLINE) in self._wanted
        ]
        if wanted:
            await self._outbox.put(wanted, due_ms=now_ms + SETTLE_MS)
        await self._standings.put([told(one, now_ms=now_ms) for one in untold])

    async def _handle(self, batch: list[str]) -> None:
        users = list(dict.fromkeys(batch))
        while True:
            try:
                await self.look_at(users)
                break
            except WhimbrelError as error:
                check_cancelled()
                log.warning("presence_not_told", users=len(users), detail=error.detail)
            await self._sleep(RETRY_SECONDS)
        await self._sleep(SETTLE_SECONDS)
