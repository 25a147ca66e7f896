"""Asks Logic whether sessions have missed something: pushes are not delivered for certain.

At each re-assert, when a link comes up, when one breaks, and once more after the commits that
were in flight then have ended one way or the other (rule 16).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from services.access.requests import LogicRequests
from services.access.session_table import SessionTable

_YIELD_EVERY: Final = 1_000
_SAME_MOMENT_SECONDS: Final = 0.5


class HeadChecks:
    """Checks of all sessions, now or later. `run` owns them."""

    def __init__(
        self, table: SessionTable, requests: LogicRequests, *, clock: Callable[[], float]
    ) -> None:
        self._table = table
        self._requests = requests
        self._clock = clock
        self._due: list[float] = []
        self._changed = asyncio.Event()

    def request(self, after_seconds: float = 0.0) -> None:
        """Check all sessions so many seconds from now. Checks of the same moment are one."""
        at = self._clock() + after_seconds
        if not any(abs(at - due) < _SAME_MOMENT_SECONDS for due in self._due):
            self._due.append(at)
        self._changed.set()

    async def run(self) -> None:
        """Check when it is time, until cancelled."""
        while True:
            now = self._clock()
            if self._due and min(self._due) <= now:
                self._due = [due for due in self._due if due > now]
                await self._check_all()
                continue
            self._changed.clear()
            try:
                async with asyncio.timeout(min(self._due) - now if self._due else None):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _check_all(self) -> None:
        """One question per user: the device that knows least decides."""
        lowest: dict[str, int] = {}
        for stream in self._table:
            next_seq = stream.session.head + 1
            known = lowest.get(stream.user_id)
            if stream.is_attached and (known is None or next_seq < known):
                lowest[stream.user_id] = next_seq
        for number, (user_id, next_seq) in enumerate(lowest.items(), 1):
            self._requests.check_head(user_id, next_seq)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
