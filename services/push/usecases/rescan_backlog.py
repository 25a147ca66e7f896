"""After Redis was lost its jobs are gone: whoever is behind in MongoDB is enqueued again.

One pod at a time, page by page, and a pod that dies leaves its place to the next. A user may be
enqueued who needs no wake: the comparison before sending decides, as for every job (rule 21).
"""

from __future__ import annotations

import asyncio

from services.push.ports import Backlog, JobStream, RescanLedger
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.push_stream import MAX_STREAM_LENGTH

_log = get_logger(__name__)


class RescanBacklog:
    """One per pod; `run` is its task, and mostly finds nothing to do."""

    def __init__(
        self,
        ledger: RescanLedger,
        backlog: Backlog,
        stream: JobStream,
        *,
        interval_seconds: float = 2.0,
        longest_stream: int = MAX_STREAM_LENGTH // 2,
    ) -> None:
        """With `longest_stream` jobs waiting the rescan waits too: it must not push the jobs of
        live messages out of the stream."""
        self._ledger = ledger
        self._backlog = backlog
        self._stream = stream
        self._interval_seconds = interval_seconds
        self._longest_stream = longest_stream
        self._stopping = asyncio.Event()
        self.enqueued = 0
        """Jobs that this pod has enqueued again since the start."""

    async def run(self) -> None:
        """Look every interval, and go on at once while there is work; until `stop`."""
        while not self._stopping.is_set():
            try:
                has_more = await self.step()
            except WhimbrelError as error:
                if error.code is not ErrorCode.UNAVAILABLE:
                    raise
                _log.warning("rescan_interrupted", reason=error.detail)
                has_more = False
            if not has_more:
                await self._pause()

    def stop(self) -> None:
        """End after the page in hand; the lock runs out, and another pod goes on."""
        self._stopping.set()

    async def step(self) -> bool:
        """Do one page; True when there is another. Raises UNAVAILABLE when a store does not
        answer: the same page is done again."""
        if await self._stream.length() > self._longest_stream:
            return False
        after = await self._ledger.take()
        if after is None:
            return False
        page = await self._backlog.page(after)
        await self._stream.enqueue(page.jobs)
        self.enqueued += len(page.jobs)
        if not await self._ledger.advance(after, page.last):
            return False
        if page.last is None:
            _log.info("rescan_finished", enqueued=self.enqueued)
        return page.last is not None

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._interval_seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
