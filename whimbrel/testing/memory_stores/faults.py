"""What a test does to a memory store while it works: pauses it, takes it away, loses an answer.

A store names the points that its operations reach: "<operation>.before" (nothing is done yet),
"<operation>.each" (in a batch, before each of its items: the earlier ones are stored) and
"<operation>.after" (everything is done, nobody knows yet). At each the store awaits `pause`,
so that a test can let others go first, or raise from it, which leaves the batch half done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from whimbrel.core.errors import WhimbrelError, unavailable

Pause = Callable[[str], Awaitable[None]]


class Faults:
    """The faults of one store. `reached` counts the points, for tests to wait on or to read."""

    def __init__(self, pause: Pause | None = None) -> None:
        self.pause = pause
        self.away = False
        """True: every operation raises UNAVAILABLE and does nothing."""
        self.reached: Counter[str] = Counter()
        self._failing: Counter[str] = Counter()
        self._losing: Counter[str] = Counter()

    def fail(self, operation: str, *, times: int = 1) -> None:
        """The next calls of `operation` do nothing and raise UNAVAILABLE (outcome unknown)."""
        self._failing[operation] += times

    def lose_answer(self, operation: str, *, times: int = 1) -> None:
        """The next calls of `operation` do it and raise UNAVAILABLE (outcome unknown)."""
        self._losing[operation] += times

    async def reach(self, point: str) -> None:
        """Called by the store at each of its points."""
        self.reached[point] += 1
        if self.pause is not None:
            await self.pause(point)

    @asynccontextmanager
    async def around(self, operation: str) -> AsyncIterator[None]:
        """Called by the store around an operation."""
        await self.reach(f"{operation}.before")
        if self.away or _take(self._failing, operation):
            raise _no_answer()
        loses = _take(self._losing, operation)
        yield
        await self.reach(f"{operation}.after")
        if loses:
            raise _no_answer()


def _take(counts: Counter[str], operation: str) -> bool:
    if counts[operation] <= 0:
        return False
    counts[operation] -= 1
    return True


def _no_answer() -> WhimbrelError:
    return unavailable("the store does not answer", retry_after_seconds=0.2, outcome_unknown=True)
