"""How a Logic pod leaves: with everything it took done, or without a word."""

from __future__ import annotations

from services.logic.parts import LogicParts
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)


class Goodbye:
    """Who leaves open work says none: a survivor cleans up when the lease has run out."""

    def __init__(self, parts: LogicParts) -> None:
        self._parts = parts
        self._is_done = False

    async def finish(self, timeout_seconds: float) -> None:
        """Wait until everything taken is done."""
        self._is_done = await self._parts.wait_idle(timeout_seconds)
        if not self._is_done:
            log.warning("stopped_with_open_work")

    async def say(self) -> None:
        """Give the worker number back, if nothing of ours is half done."""
        if self._is_done:
            await self._parts.ids.release()
