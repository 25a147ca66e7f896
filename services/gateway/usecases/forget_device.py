"""Forget a device of a user: a phone that was lost, or sold."""

from __future__ import annotations

from services.gateway.adapters.device_store_mongo import MongoDeviceStore
from services.gateway.adapters.login_store_mongo import MongoLoginStore
from services.gateway.usecases.revoke import Revoke
from whimbrel.core.errors import ErrorCode, WhimbrelError


class ForgetDevice:
    """Its logins end, its tokens do not count any more, it is not woken, its streams end."""

    def __init__(self, devices: MongoDeviceStore, logins: MongoLoginStore, revoke: Revoke) -> None:
        self._devices = devices
        self._logins = logins
        self._revoke = revoke

    async def forget(self, user_id: str, device_id: str) -> None:
        """Can be repeated until it is done. Raises NOT_FOUND for a device that is not known."""
        logins = await self._logins.list(user_id)
        login_ids = [one.login_id for one in logins if one.device_id == device_id]
        devices = await self._devices.list(user_id)
        is_registered = any(one.device_id == device_id for one in devices)
        if not (login_ids or is_registered):
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"you have no device {device_id!r}")
        # First: what is done next is what makes it known.
        await self._revoke.device(user_id, device_id, login_ids)
        await self._logins.revoke_device(user_id, device_id)
        if is_registered:
            await self._devices.remove(user_id, device_id)
