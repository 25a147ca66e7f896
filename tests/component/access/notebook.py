"""What lets a test wait until what a scripted server was told satisfies it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 10.0


class Notebook:
    """Lets a test wait until what was noted satisfies it."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def note(self) -> None:
        self._changed.set()

    async def until(self, satisfied: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not satisfied():
                self._changed.clear()
                await self._changed.wait()
