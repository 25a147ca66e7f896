"""Seq reservations without Redis; they can be lost or fall behind as the real ones do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from whimbrel.testing.memory_stores.faults import Faults, Pause


class MemorySeqReservations:
    """The port SeqReservations; a test may write `heads` to put them behind. Operations for
    `faults`: reserve, raise_to, read."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self.heads: dict[str, int] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    def lose_everything(self) -> None:
        """What FLUSHALL does to the real ones."""
        self.heads.clear()

    async def reserve(self, counts: Mapping[str, int]) -> dict[str, int]:
        async with self.faults.around("reserve"):
            firsts = {}
            for user, count in counts.items():
                if user in self.heads:
                    firsts[user] = self.heads[user] + 1
                    self.heads[user] += count
            return firsts

    async def raise_to(self, heads: Mapping[str, int]) -> None:
        async with self.faults.around("raise_to"):
            for user, head in heads.items():
                self.heads[user] = max(head, self.heads.get(user, head))

    async def read(self, users: Iterable[str]) -> dict[str, int]:
        async with self.faults.around("read"):
            return {user: self.heads[user] for user in users if user in self.heads}
