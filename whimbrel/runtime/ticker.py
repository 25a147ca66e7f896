"""One timer for many machines with deadlines: a process has one, not one per session.

`Deadlines` is a heap with lazy deletion. Moving a deadline later, which is what every sign of
life does, costs a dictionary write; the heap is corrected when the old time comes up.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

TOGETHER_SECONDS: Final = 0.01
"""So long after one look at what is due comes the next: streams that came one after the other
have deadlines one after the other, and waking costs more than what is due."""


class Deadlines(Generic[K]):
    """At most one deadline per key, in seconds of whatever clock the caller uses."""

    def __init__(self) -> None:
        self._wanted: dict[K, float] = {}
        # The heap's earliest live entry of each key: never later than what is wanted.
        self._queued: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._entries = 0
        self._wake = asyncio.Event()
        self._sleeps_until: float | None = None

    def __len__(self) -> int:
        return len(self._wanted)

    def set(self, key: K, at: float | None) -> None:
        """Set, move or (None) remove the deadline of `key`."""
        if at is None:
            self._wanted.pop(key, None)
            self._queued.pop(key, None)
            self._compact()
            return
        self._wanted[key] = at
        queued = self._queued.get(key)
        if queued is None or at < queued:
            self._push(key, at)
            self._compact()
            if self._sleeps_until is None or at < self._sleeps_until:
                self._wake.set()

    def due(self, now: float) -> list[K]:
        """The keys whose deadline is at or before `now`, earliest first; they are removed."""
        keys = []
        while (at := self.next()) is not None and at <= now:
            key = heapq.heappop(self._heap)[2]
            del self._wanted[key], self._queued[key]
            keys.append(key)
        return keys

    def next(self) -> float | None:
        """The earliest deadline, or None."""
        while self._heap:
            at, _, key = self._heap[0]
            if self._queued.get(key) != at:  # removed, or replaced by an earlier one
                heapq.heappop(self._heap)
            elif self._wanted[key] > at:  # moved later since
                heapq.heappop(self._heap)
                self._push(key, self._wanted[key])
            else:
                return at
        return None

    async def run(self, clock: Callable[[], float], on_due: Callable[[K], None]) -> None:
        """Call `on_due(key)` for each deadline when it has come, at most TOGETHER_SECONDS late,
        until cancelled.

        `on_due` may set deadlines again, also of its own key. What it raises ends the run.
        """
        while True:
            keys = self.due(clock())
            for key in keys:
                on_due(key)
            self._wake.clear()
            self._sleeps_until = self.next()
            if keys and self._sleeps_until is not None:
                self._sleeps_until = max(self._sleeps_until, clock() + TOGETHER_SECONDS)
            wait = None if self._sleeps_until is None else max(0.0, self._sleeps_until - clock())
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _push(self, key: K, at: float) -> None:
        self._entries += 1  # breaks ties, so that keys need no order
        self._queued[key] = at
        heapq.heappush(self._heap, (at, self._entries, key))

    def _compact(self) -> None:
        """Keep the heap within twice its live entries, whatever the callers do."""
        if len(self._heap) > 2 * len(self._wanted) + 64:
            self._heap.clear()
            for key, at in self._wanted.items():
                self._entries += 1
                self._queued[key] = at
                self._heap.append((at, self._entries, key))
            heapq.heapify(self._heap)
