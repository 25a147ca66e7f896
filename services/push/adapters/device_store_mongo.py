"""`user_devices` as the gateway stores them. Reads, and forgets tokens that are dead.

The names of fields are the gateway's; a component test holds both sides together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final

from services.push.wake_ports import PushDevice
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION: Final = "user_devices"
_FIELDS: Final = {
    "_id": False,
    "user": True,
    "device": True,
    "platform": True,
    "push_provider": True,
    "push_token": True,
}
_AWAKE: Final = {"$gt": ""}


class MongoDeviceStore:
    """The port DeviceStore: one query for a batch."""

    def __init__(self, database: Database) -> None:
        self._devices = database[COLLECTION]

    async def of_users(self, users: Collection[str]) -> dict[str, list[PushDevice]]:
        found: defaultdict[str, list[PushDevice]] = defaultdict(list)
        for device in await self._find({"user": {"$in": [*users]}, "push_token": _AWAKE}):
            found[device.user].append(device)
        return dict(found)

    async def find(self, devices: Collection[tuple[str, str]]) -> dict[tuple[str, str], PushDevice]:
        ids = [f"{user}/{device}" for user, device in devices]
        found = await self._find({"_id": {"$in": ids}, "push_token": _AWAKE})
        return {(device.user, device.device): device for device in found}

    async def forget_token(self, device: PushDevice) -> bool:
        with writing():
            outcome = await self._devices.update_one(
                {
                    "_id": f"{device.user}/{device.device}",
                    "push_provider": device.provider,
                    "push_token": device.token,
                },
                {"$set": {"push_provider": "", "push_token": ""}},
            )
        return bool(outcome.modified_count)

    async def _find(self, query: dict[str, Any]) -> list[PushDevice]:
        with reading():
            rows = await self._devices.find(query, _FIELDS).to_list(None)
        return [
            PushDevice(
                row["user"], row["device"], row["platform"], row["push_provider"], row["push_token"]
            )
            for row in rows
        ]
