"""`reads` in MongoDB: {user, conversation, seq}, one document for each conversation of a user.

Read marks only rise: two devices may report in any order, and a report that was repeated
changes nothing. Push reads the same documents just before it wakes anybody (rule 21).
"""

from __future__ import annotations

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.logic.adapters.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION = "reads"


class MongoReadStore:
    """The port ReadStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._reads = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index that makes a mark one (does nothing when it is there)."""
        with writing():
            await self._reads.create_index(
                [("user", ASCENDING), ("conversation", ASCENDING)], unique=True
            )

    async def raise_to(self, user: str, conversation: str, seq: int) -> None:
        with writing():
            try:
                await self._upsert(user, conversation, seq)
            except DuplicateKeyError:  # two first marks at once: now it is there
                await self._upsert(user, conversation, seq)

    async def find(self, user: str) -> dict[str, int]:
        fields = {"_id": False, "conversation": True, "seq": True}
        with reading():
            rows = await self._reads.find({"user": user}, fields).to_list(None)
        return {row["conversation"]: row["seq"] for row in rows}

    async def _upsert(self, user: str, conversation: str, seq: int) -> None:
        await self._reads.update_one(
            {"user": user, "conversation": conversation}, {"$max": {"seq": seq}}, upsert=True
        )
