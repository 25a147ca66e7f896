"""The loop of a push pod: take jobs, have them handled, finish them; until told to stop.

A store that is away ends nothing here: the loop waits and goes on. A consumer group that is
missing says that Redis was lost; the stream is prepared again, which asks for a rescan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from services.push.domain.sifting import ReceivedJob
from services.push.ports import GroupLostError, JobStream
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

PAUSE_SECONDS = 0.5
"""Between two tries when a store is away."""

Handle = Callable[[Sequence[ReceivedJob]], Awaitable[list[str]]]


async def _always() -> bool:
    return True


class ConsumeJobs:
    """One per pod; `run` is its task."""

    def __init__(
        self,
        stream: JobStream,
        handle: Handle,
        *,
        has_room: Callable[[], Awaitable[bool]] = _always,
        clock: Callable[[], float],
        claim_every_seconds: float = 10.0,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """`handle` answers the entry ids that need nothing more; while there is no
        room, jobs stay where they are. `clock`: monotonic seconds."""
        self._stream = stream
        self._handle = handle
        self._has_room = has_room
        self._clock = clock
        self._claim_every_seconds = claim_every_seconds
        self._pause_seconds = pause_seconds
        self._next_claim = clock()
        self._is_prepared = False
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self.times_lost = 0
        """How often the group had to be made anew by this pod."""

    async def run(self) -> None:
        """Work until `stop`; then the batch in hand is finished and the stream is left."""
        failures = 0
        try:
            while not self._stopping.is_set():
                try:
                    await self.step()
                except WhimbrelError as error:
                    if error.code is not ErrorCode.UNAVAILABLE:
                        raise
                    failures += 1
                    if failures == 1:
                        _log.warning("consuming_interrupted", reason=error.detail)
                    await self._pause()
                else:
                    if failures:
                        _log.info("consuming_resumed", failures=failures)
                    failures = 0
            await self._leave()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Take no more, and wait until the batch in hand is finished."""
        self._stopping.set()
        await self._ended.wait()

    async def step(self) -> None:
        """Take, handle and finish once. Raises UNAVAILABLE when a store does not answer."""
        if not self._is_prepared:
            if await self._stream.prepare():
                self.times_lost += 1
                _log.warning("group_created", times=self.times_lost)
            self._is_prepared = True
        if not await self._has_room():
            await self._pause()
            return
        try:
            await self._work(await self._stream.take())
            if self._clock() >= self._next_claim:
                claimed = await self._stream.claim()
                if claimed:
                    _log.info("jobs_claimed", count=len(claimed))
                else:
                    self._next_claim = self._clock() + self._claim_every_seconds
                await self._work(claimed)
        except GroupLostError:
            self._is_prepared = False

    async def _work(self, received: Sequence[ReceivedJob]) -> None:
        if received:
            finished = await self._handle(received)
            if finished:
                await self._stream.finish(finished)

    async def _leave(self) -> None:
        try:
            await self._stream.leave()
        except WhimbrelError as error:
            _log.warning("stream_not_left", reason=error.detail)  # it is forgotten when idle

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._pause_seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
