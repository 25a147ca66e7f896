"""The ban list without Redis."""

from __future__ import annotations

from collections.abc import Callable, Mapping


class MemoryBanList:
    """The port BanList. `clock` is seconds of any clock that does not go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    async def extend(self, bans: Mapping[str, float]) -> None:
        now = self._clock()
        for address, seconds in bans.items():
            self._until[address] = max(now + seconds, self._until.get(address, 0.0))

    async def read(self) -> dict[str, float]:
        now = self._clock()
        left = {one: until - now for one, until in self._until.items() if until > now}
        return dict(sorted(left.items(), key=lambda item: item[1])[-10_000:])
