"""`cursors` without MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.logic.domain.model import DeviceCursor
from whimbrel.testing.memory_stores.faults import Faults, Pause


class MemoryCursorStore:
    """The port CursorStore; `cursors` is everything that is stored. Operations for `faults`:
    find, find_of_users, highest, raise_to and create (with .each)."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self.cursors: dict[tuple[str, str], int] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    async def find(self, devices: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        async with self.faults.around("find"):
            return {one: self.cursors[one] for one in devices if one in self.cursors}

    async def find_of_users(self, users: Iterable[str]) -> dict[tuple[str, str], int]:
        async with self.faults.around("find_of_users"):
            wanted = set(users)
            return {one: cursor for one, cursor in self.cursors.items() if one[0] in wanted}

    async def highest(self, users: Iterable[str]) -> dict[str, int]:
        async with self.faults.around("highest"):
            highest: dict[str, int] = {}
            wanted = set(users)
            for (user, _), cursor in self.cursors.items():
                if user in wanted:
                    highest[user] = max(cursor, highest.get(user, 0))
            return highest

    async def raise_to(self, cursors: Sequence[DeviceCursor]) -> None:
        async with self.faults.around("raise_to"):
            for user, device, cursor in cursors:
                await self.faults.reach("raise_to.each")
                self.cursors[user, device] = max(cursor, self.cursors.get((user, device), cursor))

    async def create(self, cursors: Sequence[DeviceCursor]) -> None:
        async with self.faults.around("create"):
            for user, device, cursor in cursors:
                await self.faults.reach("create.each")
                self.cursors[user, device] = max(cursor, self.cursors.get((user, device), cursor))
