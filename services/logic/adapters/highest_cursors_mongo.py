"""The highest cursor of each user, from the `cursors` that the cursor store writes.

Reads only: {user, device, cursor}, found by the index that begins with the user.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.logic.adapters.cursor_store_mongo import COLLECTION
from services.logic.adapters.mongo_errors import reading
from whimbrel.runtime.stores import Database


class MongoHighestCursors:
    """The port HighestCursors."""

    def __init__(self, database: Database) -> None:
        self._cursors = database[COLLECTION]

    async def highest(self, users: Iterable[str]) -> dict[str, int]:
        highest: dict[str, int] = {}
        fields = {"_id": False, "user": True, "cursor": True}
        with reading():
            async for row in self._cursors.find({"user": {"$in": list(users)}}, fields):
                highest[row["user"]] = max(row["cursor"], highest.get(row["user"], 0))
        return highest
