"""Whether the host product was told that users are online, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from services.logic.domain.standings import NEVER, Standing
from whimbrel.testing.memory_stores.faults import Faults


class MemoryStandings:
    """The port Standings. Operations for `faults`: find, due, put."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._standings: dict[str, Standing] = {}

    async def find(self, users: Sequence[str]) -> dict[str, Standing]:
        async with self.faults.around("find"):
            return {user: self._standings[user] for user in users if user in self._standings}

    async def due(self, *, now_ms: int, limit: int) -> list[str]:
        async with self.faults.around("due"):
            rows = [one for one in self._standings.values() if NEVER < one.look_ms <= now_ms]
            rows.sort(key=lambda one: one.look_ms)
            return [one.user for one in rows[:limit]]

    async def put(self, standings: Sequence[Standing]) -> None:
        async with self.faults.around("put"):
            for one in standings:
                known = self._standings.get(one.user)
                if one.version == (known.version if known else 0) + 1:
                    self._standings[one.user] = one
