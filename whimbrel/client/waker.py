"""Lets one task sleep until a moment, or until somebody has something earlier for it."""

from __future__ import annotations

import asyncio
import math


class Waker:
    """For one sleeper. Cheap to poke: nothing happens unless the sleeper would come too late."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._until = -math.inf

    def wake(self) -> None:
        """End the present sleep, if there is one."""
        if self._until != -math.inf:
            self._event.set()

    def poke(self, deadline: float | None) -> None:
        """There is something to do at `deadline` (loop time); wake the sleeper if it sleeps
        longer than that."""
        if deadline is not None and deadline < self._until:
            self._event.set()

    async def wait_until(self, deadline: float) -> None:
        """Sleep until `deadline` (loop time), a wake or an earlier poke.

        Between deciding to sleep and calling this there must be no await, or a poke is lost.
        """
        self._event.clear()
        self._until = deadline
        timer = asyncio.get_running_loop().call_at(deadline, self._event.set)
        try:
            await self._event.wait()
        finally:
            timer.cancel()
            self._until = -math.inf
