"""Natural batching, the pattern of group commit: one batch in flight, the rest is the next.

An idle system answers a single item at once, a busy one forms larger batches by itself. Source:
DeWitt et al., "Implementation Techniques for Main Memory Database Systems" (1984), group commit.
Must not know what it batches.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.runtime.logs import get_logger

Q = TypeVar("Q")
A = TypeVar("A")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BatcherStatistics:
    """Counts since the start, and what is there now."""

    waiting: int
    in_flight: int
    batches: int
    items: int
    largest: int
    refused: int
    failed: int


class Batcher(Generic[Q, A]):
    """Turns single submits into batches for `handle`.

    `handle` gets 1 to `max_items` items in the order of their submits, and returns as many
    answers in the same order. At most `max_waiting` items wait. Not thread safe: one loop.
    """

    def __init__(
        self,
        handle: Callable[[list[Q]], Awaitable[list[A]]],
        *,
        max_items: int,
        max_waiting: int,
        name: str,
        apart_seconds: float = 0.0,
    ) -> None:
        """`apart_seconds`: at least so long lies between the beginnings of two batches, where a
        batch costs much and an item little. After a pause an item still goes at once."""
        self._handle = handle
        self._max_items = max_items
        self._max_waiting = max_waiting
        self._name = name
        self._apart_seconds = apart_seconds
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self._in_flight = 0
        self._batches = 0
        self._items = 0
        self._largest = 0
        self._refused = 0
        self._failed = 0

    async def submit(self, item: Q) -> A:
        """The answer for `item`.

        Raises OVERLOADED when `max_waiting` items wait already, UNAVAILABLE when the owner's
        task has ended, and what the batch raised: a WhimbrelError as it is, anything else as
        INTERNAL (logged once, for the whole batch). A caller that is cancelled while its item
        waits takes it back; one that is cancelled later loses only the answer.
        """
        if self._closed:
            raise unavailable(f"{self._name} has stopped")
        if len(self._waiting) >= self._max_waiting:
            self._refused += 1
            raise WhimbrelError(
                ErrorCode.OVERLOADED,
                f"{self._name} has {self._max_waiting} waiting already",
                retry_after_seconds=0.2,
            )
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        """The owner's task: batches until it is cancelled, then answers whoever still waits."""
        batch: list[tuple[Q, asyncio.Future[A]]] = []
        clock = asyncio.get_running_loop().time
        next_at = 0.0
        try:
            while True:
                await self._arrived.wait()
                if self._apart_seconds:
                    if (wait := next_at - clock()) > 0:
                        await asyncio.sleep(wait)
                    next_at = clock() + self._apart_seconds
                batch = self._next_batch()
                if batch:
                    await self._answer(batch)
                    batch = []
        finally:
            self._closed = True
            self._in_flight = 0
            for _, answer in batch:
                _fail(answer, unavailable(f"{self._name} has stopped", outcome_unknown=True))
            while self._waiting:
                _fail(self._waiting.popleft()[1], unavailable(f"{self._name} has stopped"))

    def statistics(self) -> BatcherStatistics:
        """What it has done and what waits."""
        return BatcherStatistics(
            waiting=len(self._waiting),
            in_flight=self._in_flight,
            batches=self._batches,
            items=self._items,
            largest=self._largest,
            refused=self._refused,
            failed=self._failed,
        )

    def _next_batch(self) -> list[tuple[Q, asyncio.Future[A]]]:
        batch: list[tuple[Q, asyncio.Future[A]]] = []
        while self._waiting and len(batch) < self._max_items:
            entry = self._waiting.popleft()
            if not entry[1].done():  # its caller was cancelled: taken back
                batch.append(entry)
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _answer(self, batch: list[tuple[Q, asyncio.Future[A]]]) -> None:
        self._in_flight = len(batch)
        self._batches += 1
        self._items += len(batch)
        self._largest = max(self._largest, len(batch))
        try:
            answers = await self._handle([item for item, _ in batch])
            if len(answers) != len(batch):
                raise RuntimeError(f"{len(answers)} answers for {len(batch)} items")  # noqa: TRY301
        except WhimbrelError as error:
            self._failed += 1
            for _, answer in batch:
                _fail(answer, error)
        # A bug in one batch must not end the loop for all that follow: logged here, once,
        # and INTERNAL for those who wait.
        except Exception:  # noqa: BLE001 - a supervised loop
            self._failed += 1
            _log.exception("batch_failed", batcher=self._name, items=len(batch))
            internal = WhimbrelError(ErrorCode.INTERNAL, "internal error", outcome_unknown=True)
            for _, answer in batch:
                _fail(answer, internal)
        else:
            for (_, answer), result in zip(batch, answers, strict=True):
                if not answer.done():
                    answer.set_result(result)
        self._in_flight = 0


def _fail(answer: asyncio.Future[A], error: WhimbrelError) -> None:
    if not answer.done():
        # One instance each: a raised exception collects the traceback of everybody who raises it.
        answer.set_exception(
            WhimbrelError(
                error.code,
                error.detail,
                retry_after_seconds=error.retry_after_seconds,
                outcome_unknown=error.outcome_unknown,
            )
        )
