"""Tells the host product what happened: at least once, the events of one key in their order.

Several workers take keys by a lease and POST what waits for each, the next only after the last was
taken. A key that fails waits by itself, longer each time, and holds up no other; after
`give_up_seconds` its events are dead letters.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from services.push.domain.deliveries import Result, pause_seconds, result_of
from services.push.domain.retry_after import retry_after_seconds
from services.push.webhook_ports import EventQueue, QueuedEvent, TakenKey
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.http_answer import HttpAnswer
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_EVENTS = 100
"""In one request."""
PAGES = 10
"""Requests for one key before others get their turn."""
LOOK_AGAIN_MS = 1000
"""When a key is due again of which some events are not due yet: Logic lets them wait so long."""
IDLE_SECONDS = 0.25
AWAY_SECONDS = 1.0


class Post(Protocol):
    """POSTs signed content under a webhook id. Raises UNAVAILABLE."""

    def __call__(self, webhook_id: str, content: str) -> Awaitable[HttpAnswer]: ...


class DeliverEvents:
    """`run` until cancelled: an event that was under way then is delivered again."""

    def __init__(
        self,
        queue: EventQueue,
        post: Post,
        *,
        holder: str,
        workers: int,
        timeout_seconds: float,
        give_up_seconds: float,
        wall_ms: Callable[[], int],
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._queue = queue
        self._post = post
        self._holder = holder
        self._workers = workers
        # Twice what the requests of one turn may take, so that none is under way when it ends.
        self._lease_ms = int(2 * PAGES * timeout_seconds * 1000)
        self._give_up_ms = int(give_up_seconds * 1000)
        self._wall_ms = wall_ms
        self._chance = chance
        self._sleep = sleep
        self.outcomes: Counter[str] = Counter()
        """Events by what became of them: delivered, unwanted, failed (an attempt), dead."""
        self.lag_ms = 0
        """Age of the oldest event of the last request."""

    async def run(self) -> None:
        """Deliver whatever comes; a store that does not answer is logged and asked again."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._work(f"{self._holder}#{number}"))

    async def _work(self, holder: str) -> None:
        while True:
            try:
                if await self.deliver_one(holder):
                    continue
                pause = IDLE_SECONDS
            except WhimbrelError as error:
                check_cancelled()  # the driver may take a cancellation for its own
                log.warning("event_queue_away", detail=error.detail)
                pause = AWAY_SECONDS
            await self._sleep(pause)

    async def deliver_one(self, holder: str) -> bool:
        """Take one key that is due and deliver what waits for it; False when none is due.
        Raises UNAVAILABLE when the queue does not answer."""
        taken = await self._queue.take(holder, now_ms=self._wall_ms(), lease_ms=self._lease_ms)
        if taken is None:
            return False
        attempts = taken.attempts
        for _ in range(PAGES):
            page = await self._queue.page(taken.key, now_ms=self._wall_ms(), limit=MAX_EVENTS)
            if not page:
                due_ms = self._wall_ms() + LOOK_AGAIN_MS
                await self._queue.finish(taken, holder, due_ms=due_ms)
                return True
            # Nothing is given up that was never tried: nobody may have been there to deliver it.
            fresh = await self._bury_old(page) if attempts else page
            if not fresh:
                continue
            if not await self._deliver(taken, holder, fresh, attempts + 1):
                return True
            attempts = 0
        await self._queue.release(taken, holder, due_ms=self._wall_ms(), attempts=0)
        return True

    async def _bury_old(self, page: Sequence[QueuedEvent]) -> list[QueuedEvent]:
        oldest_ms = self._wall_ms() - self._give_up_ms
        dead = [one.event_id for one in page if one.at_ms < oldest_ms]
        if dead:
            await self._queue.bury(dead)
            self.outcomes["dead"] += len(dead)
            log.error("events_given_up", events=len(dead))
        return [one for one in page if one.at_ms >= oldest_ms]

    async def _deliver(
        self, taken: TakenKey, holder: str, page: Sequence[QueuedEvent], attempts: int
    ) -> bool:
        """True when the receiver has them, or wants none; else the key waits, the longer the more
        `attempts` have failed with this one."""
        self.lag_ms = self._wall_ms() - page[0].at_ms
        # The same id only for the same events: a receiver may drop what it has seen by it.
        webhook_id = f"{page[0].event_id}-{page[-1].event_id}-{len(page)}"
        rows = ", ".join(one.content for one in page)
        asked_seconds = None
        try:
            answer = await self._post(webhook_id, f'{{"type": "events", "events": [{rows}]}}')
        except WhimbrelError as error:
            result, why = Result.FAILED, error.detail
        else:
            result, why = result_of(answer.status), f"status {answer.status}"
            now = self._wall_ms() / 1000
            asked_seconds = retry_after_seconds(answer.headers.get("retry-after"), now)
        self.outcomes[result.value] += len(page)
        if result is not Result.FAILED:
            await self._queue.remove([one.event_id for one in page])
            return True
        pause = pause_seconds(attempts, self._chance(), asked_seconds)
        log.warning("events_not_delivered", why=why, attempts=attempts, again_in_seconds=pause)
        due_ms = self._wall_ms() + int(pause * 1000)
        await self._queue.release(taken, holder, due_ms=due_ms, attempts=attempts)
        return False
