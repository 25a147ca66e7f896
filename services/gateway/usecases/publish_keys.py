"""A device publishes its keys, renews them, looks how many are left, takes them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.gateway.adapters.device_store_mongo import MongoDeviceStore
from services.gateway.domain.device_keys import DeviceKeys, Publication, follow
from services.gateway.domain.key_proofs import check_publication
from services.gateway.key_ports import DeviceKeyStore
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

MAX_TRIES: Final = 4
"""One program publishes for one device; who loses so often against another is told CONFLICT."""


class PublishKeys:
    """The acts of a device's owner."""

    def __init__(
        self,
        keys: DeviceKeyStore,
        devices: MongoDeviceStore,
        *,
        max_prekeys: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._keys = keys
        self._devices = devices
        self._max_prekeys = max_prekeys
        self._now_ms = now_ms

    async def publish(self, user_id: str, device_id: str, publication: Publication) -> DeviceKeys:
        """Store what a device says, after all of it was verified; what is there then. Repeating
        it changes nothing. Raises INVALID_ARGUMENT, NOT_FOUND without such a device, CONFLICT as
        `follow` does."""
        check_publication(user_id, device_id, publication)
        await self._need_device(user_id, device_id)
        for _ in range(MAX_TRIES):
            before = await self._keys.find(user_id, device_id)
            renewal = follow(
                before,
                user_id,
                device_id,
                publication,
                max_prekeys=self._max_prekeys,
                now_ms=self._now_ms(),
            )
            if await self._keys.publish(renewal):
                break
        else:
            raise WhimbrelError(
                ErrorCode.CONFLICT,
                "another program publishes for this device at the same time",
                retry_after_seconds=0.5,
            )
        if before is not None and not renewal.keeps_prekeys:
            _log.info("device_identity_changed", user=user_id, device=device_id)
        await self._need_device(user_id, device_id, forgets=True)
        return renewal.keys

    async def count(self, user_id: str, device_id: str) -> DeviceKeys:
        """What is there. Raises NOT_FOUND."""
        keys = await self._keys.find(user_id, device_id)
        if keys is None:
            raise _no_keys(device_id)
        return keys

    async def remove(self, user_id: str, device_id: str) -> None:
        """Take all of a device's keys back. Raises NOT_FOUND."""
        if not await self._keys.remove(user_id, device_id):
            raise _no_keys(device_id)

    async def _need_device(self, user_id: str, device_id: str, *, forgets: bool = False) -> None:
        devices = await self._devices.list(user_id)
        if any(device.device_id == device_id for device in devices):
            return
        if forgets:  # it was removed meanwhile, and its keys before these came
            await self._keys.remove(user_id, device_id)
        raise WhimbrelError(
            ErrorCode.NOT_FOUND, f"you have no device {device_id!r}: PUT /v1/devices/{device_id}"
        )


def _no_keys(device_id: str) -> WhimbrelError:
    return WhimbrelError(ErrorCode.NOT_FOUND, f"your device {device_id!r} has published no keys")
