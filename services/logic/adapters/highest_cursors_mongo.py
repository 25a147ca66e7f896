"""The highest cursor of each user, from the `cursors` that the cursor store writes.

Reads only: {user, device, cursor}, found by the index that begins with the user.
"""

from __future__ import annotations

from collections.abc import Iterable

from pymongo.errors import PyMongoError

from whimbrel.core.errors import unavailable
from whimbrel.runtime.stores import Database

COLLECTION = "cursors"


class MongoHighestCursors:
    """The port HighestCursors."""

    def __init__(self, database: Database) -> None:
        self._cursors = database[COLLECTION]

    async def highest(self, users: Iterable[str]) -> dict[str, int]:
        highest: dict[str, int] = {}
        fields = {"_id": False, "user": True, "cursor": True}
        try:
            async for row in self._cursors.find({"user": {"$in": list(users)}}, fields):
                highest[row["user"]] = max(row["cursor"], highest.get(row["user"], 0))
        except PyMongoError as error:
            raise unavailable("MongoDB does not answer") from error
        return highest
