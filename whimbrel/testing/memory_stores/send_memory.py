"""Recent sends and newest epochs without Redis; they can be lost as the real ones are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from services.logic.domain.model import ClientKey, RecentSend
from whimbrel.testing.memory_stores.faults import Faults, Pause

RECENT_SENDS = 50


class MemorySendMemory:
    """The port SendMemory. Operations for `faults`: look_up, remember, raise_epochs."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self.epochs: dict[tuple[str, str], int] = {}
        self._recent: dict[str, dict[ClientKey, RecentSend]] = defaultdict(dict)

    async def prepare(self) -> None:
        """Nothing to create."""

    def lose_everything(self) -> None:
        """What FLUSHALL does to the real one."""
        self.epochs.clear()
        self._recent.clear()

    async def look_up(
        self, keys: Sequence[ClientKey], devices: Sequence[tuple[str, str]]
    ) -> tuple[dict[ClientKey, RecentSend], dict[tuple[str, str], int]]:
        async with self.faults.around("look_up"):
            recent = {
                key: self._recent[key.sender][key]
                for key in keys
                if key in self._recent.get(key.sender, {})
            }
            return recent, {one: self.epochs[one] for one in devices if one in self.epochs}

    async def remember(self, sends: Sequence[RecentSend]) -> None:
        async with self.faults.around("remember"):
            for send in sends:
                own = self._recent[send.key.sender]
                own.pop(send.key, None)
                own[send.key] = send
                if len(own) > RECENT_SENDS:
                    del own[next(iter(own))]

    async def raise_epochs(self, epochs: Mapping[tuple[str, str], int]) -> None:
        async with self.faults.around("raise_epochs"):
            for device, epoch in epochs.items():
                self.epochs[device] = max(epoch, self.epochs.get(device, epoch))
