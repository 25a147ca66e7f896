"""The message cache without Redis; what changed is never remembered again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.logic.domain.history import CachedMessage
from whimbrel.testing.memory_stores.faults import Faults


class MemoryMessageCache:
    """The port MessageCache; it forgets only when told to. Operations for `faults`: forget."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._messages: dict[int, bytes] = {}

    def lose_everything(self) -> None:
        """What FLUSHALL does to the real one."""
        self._messages.clear()

    async def find(self, ids: Mapping[int, str]) -> dict[int, bytes]:
        return {one: self._messages[one] for one in ids if self._messages.get(one)}

    async def remember(self, messages: Sequence[CachedMessage]) -> None:
        for one, _, message in messages:
            self._messages.setdefault(one, message)

    async def forget(self, ids: Mapping[int, str]) -> None:
        async with self.faults.around("forget"):
            for one in ids:
                self._messages[one] = b""
