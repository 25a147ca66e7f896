"""Natural batching: whatever arrived while the last batch was handled is the next batch.

No timers: an idle pipeline handles a single item at once, a busy one handles many for nearly
the price of one. Items carry their own way to answer, so an item costs no task and no future.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from whimbrel.runtime.histogram import Histogram

T = TypeVar("T")


@dataclass(frozen=True)
class PipelineStatistics:
    """Counts since the start, and what is waiting now."""

    waiting: int
    batches: int
    items: int
    largest_batch: int
    batch_seconds: Histogram = field(default_factory=Histogram)
    """How long the batches took."""


class Pipeline(Generic[T]):
    """One batch in flight, a bounded number of items waiting, one owner task (`run`)."""

    def __init__(
        self,
        handle: Callable[[list[T]], Awaitable[None]],
        *,
        max_items: int,
        max_waiting: int,
    ) -> None:
        self._handle = handle
        self._max_items = max_items
        self._max_waiting = max_waiting
        self._waiting: deque[T] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._batches = 0
        self._items = 0
        self._largest = 0
        self._batch_seconds = Histogram()

    def offer(self, item: T) -> bool:
        """Put the item into the next batch. False, and nothing happens, when the bound is reached:
        the caller tells whoever waits."""
        if len(self._waiting) >= self._max_waiting:
            return False
        self._waiting.append(item)
        self._arrived.set()
        self._idle.clear()
        return True

    async def run(self) -> None:
        """Handle batches until cancelled. An exception from the handler ends the loop: handlers
        answer what they expect (WhimbrelError) themselves."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._arrived.wait()
            batch = [
                self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_items))
            ]
            if not self._waiting:
                self._arrived.clear()
            self._batches += 1
            self._items += len(batch)
            self._largest = max(self._largest, len(batch))
            began = clock()
            await self._handle(batch)
            self._batch_seconds.observe(clock() - began)
            if not self._waiting:
                self._idle.set()

    async def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until nothing is waiting or in flight; False when that took too long."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    def statistics(self) -> PipelineStatistics:
        return PipelineStatistics(
            len(self._waiting), self._batches, self._items, self._largest, self._batch_seconds
        )
