"""What keys of devices need from outside. A memory adapter is in `whimbrel.testing`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from services.gateway.domain.device_keys import Bundle, DeviceKeys, Renewal


class DeviceKeyStore(Protocol):
    """The public keys of devices. A one-time prekey leaves it at the moment it is given out, by
    a write of the majority: to one caller, and to nobody when that caller is told UNAVAILABLE."""

    async def prepare(self) -> None:
        """Create what is needed; can be repeated."""
        ...

    async def find(self, user_id: str, device_id: str) -> DeviceKeys | None:
        """What is there of a device, with all its prekeys; None when it has published nothing."""
        ...

    async def publish(self, renewal: Renewal) -> bool:
        """Store it, if what is there has still the version that it follows; else False, and
        nothing changes. Prekeys that were given out meanwhile stay given out."""
        ...

    async def take(
        self, user_id: str, devices: Collection[str], *, with_prekeys: bool
    ) -> Sequence[Bundle]:
        """The bundles of those of these devices that have published, by id, each with one
        one-time prekey as long as there are any. `with_prekeys` False leaves them where they
        are."""
        ...

    async def remove(self, user_id: str, device_id: str) -> bool:
        """Forget all keys of a device; False when there were none."""
        ...
