"""Lets one task sleep until a moment, or until somebody has something earlier for it."""

from __future__ import annotations

import asyncio
import math


class Waker:
    """For one sleeper. Cheap to poke: nothing happens unless the sleeper would come too late."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._until = -math.inf
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_asleep(self) -> bool:
        """Whether a poke can matter: there is a sleep that could still become shorter."""
        return self._until != -math.inf

    def wake(self) -> None:
        """End the present sleep, if there is one."""
        if self.is_asleep:
            self._event.set()

    def poke(self, deadline: float | None) -> None:
        """There is something to do at `deadline` (loop time): a sleeper that would sleep longer
        wakes then, and not before."""
        if deadline is None or deadline >= self._until:
            return
        self._until = deadline
        loop = asyncio.get_running_loop()
        if deadline <= loop.time():
            self._event.set()
        else:
            self._arm(loop, deadline)

    async def wait_until(self, deadline: float) -> None:
        """Sleep until `deadline` (loop time), a wake or an earlier poke.

        Between deciding to sleep and calling this there must be no await, or a poke is lost.
        """
        self._event.clear()
        self._until = deadline
        self._arm(asyncio.get_running_loop(), deadline)
        try:
            await self._event.wait()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._until = -math.inf

    def _arm(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(deadline, self._event.set)
