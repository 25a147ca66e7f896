"""`quiet_hours` in MongoDB: when a user wants notifications without sound. Push reads them.

quiet_hours   _id (user), from_minute, to_minute, time_zone, updated_ms
"""

from __future__ import annotations

from typing import Final

from services.gateway.domain.accounts import QuietHours
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION: Final = "quiet_hours"


class MongoQuietHoursStore:
    """Quiet hours, one document for a user who has any."""

    def __init__(self, database: Database) -> None:
        self._hours = database[COLLECTION]

    async def put(self, user_id: str, hours: QuietHours, *, now_ms: int) -> None:
        """Set them, in place of those before."""
        with writing():
            await self._hours.replace_one(
                {"_id": user_id},
                {
                    "_id": user_id,
                    "from_minute": hours.from_minute,
                    "to_minute": hours.to_minute,
                    "time_zone": hours.time_zone,
                    "updated_ms": now_ms,
                },
                upsert=True,
            )

    async def find(self, user_id: str) -> QuietHours | None:
        """Those of a user; None without any."""
        with reading():
            found = await self._hours.find_one({"_id": user_id})
        if found is None:
            return None
        return QuietHours(found["from_minute"], found["to_minute"], found["time_zone"])

    async def remove(self, user_id: str) -> None:
        """A user has none any more; without any nothing changes."""
        with writing():
            await self._hours.delete_one({"_id": user_id})
