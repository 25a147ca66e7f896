"""How tests wait for what nobody signals: for a condition, with a deadline, never for a time.

Nothing else in tests sleeps: tests/unit/test_no_blind_sleeps.py looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Final, Self

PATIENCE_SECONDS: Final = 30.0
"""For what takes milliseconds on an idle machine."""
_LOOK_AGAIN_SECONDS: Final = 0.01

Condition = Callable[[], object | Awaitable[object]]


async def until(holds: Condition, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as it holds; a condition that has to be asked for may be a coroutine.
    TimeoutError after so long."""
    async with asyncio.timeout(seconds):
        while not await _asked(holds):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def until_blocking(holds: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    """The same where no loop runs, as in a fixture of the session."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() >= deadline:
            raise TimeoutError
        time.sleep(_LOOK_AGAIN_SECONDS)


class Every:
    """The rhythm of an actor in a test's world, such as a kubelet that looks again: `async for`
    goes round at once, and then so many seconds after each round. Never for waiting."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._has_begun = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> None:
        if self._has_begun:
            await asyncio.sleep(self._seconds)
        self._has_begun = True


async def _asked(holds: Condition) -> object:
    answer = holds()
    return await answer if isawaitable(answer) else answer
