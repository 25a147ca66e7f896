"""How tests wait for what nobody signals: for a condition, with a deadline, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Final

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


async def _asked(holds: Condition) -> object:
    answer = holds()
    return await answer if isawaitable(answer) else answer
