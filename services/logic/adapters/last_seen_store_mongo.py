"""`last_seen` in MongoDB: {_id: user, ms}. Shards by `_id`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bson import Int64

from services.logic.adapters.mongo_bulk import update_unordered
from whimbrel.core.errors import unavailable
from whimbrel.runtime.mongo_errors import reading
from whimbrel.runtime.stores import Database, Document

COLLECTION = "last_seen"


class MongoLastSeenStore:
    """The port LastSeenStore."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moments = database[COLLECTION]

    async def raise_all(self, moments: Mapping[str, int]) -> None:
        updates: list[Document] = [
            {"q": {"_id": user}, "u": {"$max": {"ms": Int64(moment)}}, "upsert": True}
            for user, moment in moments.items()
        ]
        refused = await update_unordered(self._database, COLLECTION, updates)
        if refused:  # two first ones at once: now they are there
            again = [updates[index] for index in refused]
            if await update_unordered(self._database, COLLECTION, again):
                raise unavailable("MongoDB did not raise every moment", outcome_unknown=True)

    async def find(self, users: Sequence[str]) -> dict[str, int]:
        if not users:
            return {}
        with reading():
            rows = await self._moments.find({"_id": {"$in": list(users)}}).to_list(None)
        return {row["_id"]: int(row["ms"]) for row in rows}
