"""Asks the platform for what was decided, one thing after the other, and never waits in the way.

The next decision repeats whatever is still wanted, so nothing is queued: what could not be done
is done with the next one.
"""

from __future__ import annotations

import asyncio
from typing import Final

from services.drain.domain.orders import Action, MarkVictim, Release
from services.drain.ports import Platform
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_CALL_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 1.0
"""Between two rounds: the platform's view must have had time to show what was done."""


class Act:
    """`run` is its task."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._wanted: list[Action] = []
        self._changed = asyncio.Event()
        self.done = 0

    def want(self, actions: list[Action]) -> None:
        """This is what is wanted now, in this order; replaces what was wanted before."""
        self._wanted = actions
        if actions:
            self._changed.set()

    async def run(self) -> None:
        """Do it until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            for action in self._wanted:
                if not await self._do(action):
                    break  # marks come before the lower number: never the other way round
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _do(self, action: Action) -> bool:
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                if isinstance(action, Release):
                    await self._platform.release(action.pod_id)
                elif isinstance(action, MarkVictim):
                    await self._platform.set_deletion_cost(action.pod_id, action.cost)
                else:
                    await self._platform.scale(action.role, action.replicas)
        except (WhimbrelError, TimeoutError) as error:
            _log.warning(
                "platform_refused", action=type(action).__name__, reason=str(error) or "timeout"
            )
            return False
        self.done += 1
        return True
