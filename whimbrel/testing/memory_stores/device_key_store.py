"""`device_keys` without MongoDB."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from services.gateway.domain.device_keys import Bundle, DeviceKeys, Renewal


class MemoryDeviceKeyStore:
    """The port DeviceKeyStore."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], DeviceKeys] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    async def find(self, user_id: str, device_id: str) -> DeviceKeys | None:
        return self._keys.get((user_id, device_id))

    async def publish(self, renewal: Renewal) -> bool:
        place = (renewal.keys.user_id, renewal.keys.device_id)
        before = self._keys.get(place)
        if (before.version if before else 0) != renewal.keys.version:
            return False
        if renewal.keeps_prekeys and before and before.identity != renewal.keys.identity:
            return False
        kept = before.prekeys if before and renewal.keeps_prekeys else ()
        self._keys[place] = replace(
            renewal.keys, prekeys=kept + renewal.added, version=renewal.keys.version + 1
        )
        return True

    async def take(
        self, user_id: str, devices: Collection[str], *, with_prekeys: bool
    ) -> list[Bundle]:
        taken = []
        for device in sorted(set(devices)):
            keys = self._keys.get((user_id, device))
            if keys is None:
                continue
            given = keys.prekeys[:1] if with_prekeys else ()
            self._keys[user_id, device] = replace(keys, prekeys=keys.prekeys[len(given) :])
            taken.append(
                Bundle(
                    device,
                    keys.identity,
                    keys.signed_prekey,
                    given[0] if given else None,
                    keys.changed_at_ms,
                )
            )
        return taken

    async def remove(self, user_id: str, device_id: str) -> bool:
        return self._keys.pop((user_id, device_id), None) is not None
