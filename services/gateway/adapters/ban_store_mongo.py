"""`bans` in MongoDB: written here, read by Logic, which polls what has changed.

    bans   _id (user), until_ms, reason, updated_ms

A ban that was lifted stays with `until_ms` 0, so that a poll by `updated_ms` sees it too.
"""

from __future__ import annotations

from typing import Any, Final

from pymongo import ASCENDING

from services.gateway.domain.accounts import Ban
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION: Final = "bans"


class MongoBanStore:
    """Bans. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._bans = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index of the poll (does nothing when it is there)."""
        with writing():
            await self._bans.create_index([("updated_ms", ASCENDING)])

    async def put(self, ban: Ban) -> None:
        """Store it in place of what the user had; `until_ms` 0 lifts it."""
        with writing():
            await self._bans.replace_one(
                {"_id": ban.user_id},
                {
                    "_id": ban.user_id,
                    "until_ms": ban.until_ms,
                    "reason": ban.reason,
                    "updated_ms": ban.updated_ms,
                },
                upsert=True,
            )

    async def find(self, user_id: str, now_ms: int) -> Ban | None:
        """The ban that holds for a user now."""
        with reading():
            document = await self._bans.find_one({"_id": user_id, "until_ms": {"$gt": now_ms}})
        return None if document is None else _ban(document)

    async def page(self, after: str, limit: int, now_ms: int) -> list[Ban]:
        """The bans that hold, of users that follow this id, by user id."""
        with reading():
            found = await (
                self._bans.find({"_id": {"$gt": after}, "until_ms": {"$gt": now_ms}})
                .sort("_id")
                .limit(limit)
                .to_list(None)
            )
        return [_ban(document) for document in found]


def _ban(document: dict[str, Any]) -> Ban:
    return Ban(document["_id"], document["until_ms"], document["reason"], document["updated_ms"])
