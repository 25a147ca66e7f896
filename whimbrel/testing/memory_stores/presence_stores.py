"""What signals need, without Redis, MongoDB and Router."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from services.logic.domain.signals import Whereabout
from whimbrel.testing.memory_stores.faults import Faults


class MemoryWatchers:
    """The port Watchers. Operations for `faults`: watch, find."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._until: dict[str, dict[str, int]] = defaultdict(dict)

    async def watch(
        self, pod_id: str, users: Sequence[str], *, now_ms: int, seconds: float
    ) -> None:
        async with self.faults.around("watch"):
            for user in users:
                self._until[user][pod_id] = now_ms + round(seconds * 1000)

    async def find(self, users: Sequence[str], *, now_ms: int) -> dict[str, list[str]]:
        async with self.faults.around("find"):
            found = {
                user: [pod for pod, until in self._until[user].items() if until > now_ms]
                for user in users
                if user in self._until
            }
            return {user: pods for user, pods in found.items() if pods}


class MemoryLastSeenStore:
    """The port LastSeenStore. Operations for `faults`: raise_all, find."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._moments: dict[str, int] = {}

    async def raise_all(self, moments: Mapping[str, int]) -> None:
        async with self.faults.around("raise_all"):
            for user, moment in moments.items():
                self._moments[user] = max(moment, self._moments.get(user, 0))

    async def find(self, users: Sequence[str]) -> dict[str, int]:
        async with self.faults.around("find"):
            return {user: self._moments[user] for user in users if user in self._moments}


class MemoryWhereabouts:
    """The port Whereabouts; a test sets who is where. Operation for `faults`: whereabouts."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.devices: dict[str, list[Whereabout]] = {}

    async def whereabouts(self, users: Sequence[str]) -> dict[str, list[Whereabout]]:
        async with self.faults.around("whereabouts"):
            return {user: list(self.devices.get(user, ())) for user in users}
