"""`privacy` in MongoDB: what each user permits others.

_id (user), strangers_may_write (absent: as deployed), presence, changed_at
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from services.logic.adapters.changes_mongo import CHANGED_AT, MongoChanges
from services.logic.domain.people import Audience, Privacy
from services.logic.social_ports import Changes
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION = "privacy"


class MongoPrivacyStore:
    """The port PrivacyStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._privacy = database[COLLECTION]
        self._changes = MongoChanges(database, COLLECTION)

    async def prepare(self) -> None:
        """Create the index that finds changes."""
        await self._changes.prepare()

    async def find(self, keys: Collection[str]) -> Mapping[str, Privacy]:
        if not keys:
            return {}
        with reading():
            rows = await self._privacy.find({"_id": {"$in": list(keys)}}).to_list(None)
        return {
            row["_id"]: Privacy(row.get("strangers_may_write"), Audience(row["presence"]))
            for row in rows
        }

    async def changed(self, mark: object) -> Changes:
        return await self._changes.since(mark)

    def key_of(self, name: str) -> str:
        return name

    async def put(self, user: str, privacy: Privacy) -> None:
        stored = {
            "strangers_may_write": privacy.strangers_may_write,
            "presence": int(privacy.presence),
        }
        with writing():
            await self._privacy.update_one(
                {"_id": user},
                {"$set": stored, "$currentDate": {CHANGED_AT: True}},
                upsert=True,
            )
