"""`user_devices` in MongoDB: what a device is, and how it is woken.

user_devices   _id ("<user>/<device>"), user, device, platform, push_provider, push_token,
               updated_ms
"""

from __future__ import annotations

from typing import Any, Final

from pymongo import ASCENDING

from services.gateway.domain.accounts import Device
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION: Final = "user_devices"
MAX_DEVICES: Final = 64
"""Of one user; one more is refused."""


class MongoDeviceStore:
    """Devices. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._devices = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the indexes (does nothing when they are there)."""
        with writing():
            await self._devices.create_index([("user", ASCENDING), ("device", ASCENDING)])
            await self._devices.create_index([("push_token", ASCENDING)])

    async def put(self, device: Device) -> None:
        """Store it, new or changed. Raises CONFLICT for one too many."""
        key = f"{device.user_id}/{device.device_id}"
        with reading():
            others = {"user": device.user_id, "_id": {"$ne": key}}
            count = await self._devices.count_documents(others, limit=MAX_DEVICES)
        if count >= MAX_DEVICES:
            raise WhimbrelError(
                ErrorCode.CONFLICT, f"a user has at most {MAX_DEVICES} devices: remove one"
            )
        with writing():
            if device.push_token:
                # A phone that changed hands: the user before must not be woken on it any more.
                await self._devices.update_many(
                    {
                        "push_token": device.push_token,
                        "push_provider": device.push_provider,
                        "_id": {"$ne": key},
                    },
                    {"$set": {"push_token": "", "push_provider": ""}},
                )
            await self._devices.replace_one(
                {"_id": key},
                {
                    "_id": key,
                    "user": device.user_id,
                    "device": device.device_id,
                    "platform": device.platform,
                    "push_provider": device.push_provider,
                    "push_token": device.push_token,
                    "updated_ms": device.updated_ms,
                },
                upsert=True,
            )

    async def list(self, user_id: str) -> list[Device]:
        """Those of a user, by device id."""
        with reading():
            found = await self._devices.find({"user": user_id}).sort("device").to_list(None)
        return [_device(document) for document in found]

    async def remove(self, user_id: str, device_id: str) -> None:
        """Forget one; raises NOT_FOUND when the user has none of that id."""
        with writing():
            outcome = await self._devices.delete_one({"_id": f"{user_id}/{device_id}"})
        if not outcome.deleted_count:
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"you have no device {device_id!r}")

    async def silence(self, user_id: str, device_id: str | None = None) -> None:
        """Forget the push token of one device, or of all that a user has: nobody there is to be
        woken any more."""
        whose = {"user": user_id} if device_id is None else {"_id": f"{user_id}/{device_id}"}
        with writing():
            await self._devices.update_many(
                whose, {"$set": {"push_token": "", "push_provider": ""}}
            )


def _device(document: dict[str, Any]) -> Device:
    return Device(
        document["user"],
        document["device"],
        document["platform"],
        document["push_provider"],
        document["push_token"],
        document["updated_ms"],
    )
