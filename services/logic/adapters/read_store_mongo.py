"""`reads` in MongoDB: {user, conversation, seq}, one document for each conversation of a user.

Read marks only rise: two devices may report in any order, and a report that was repeated
changes nothing. Push reads the same documents just before it wakes anybody (rule 21).
"""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError, PyMongoError

from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.runtime.stores import Database

COLLECTION = "reads"


class MongoReadStore:
    """The port ReadStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._reads = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index that makes a mark one (does nothing when it is there)."""
        try:
            await self._reads.create_index(
                [("user", ASCENDING), ("conversation", ASCENDING)], unique=True
            )
        except PyMongoError as error:
            raise _no_answer() from error

    async def raise_to(self, user: str, conversation: str, seq: int) -> None:
        try:
            try:
                await self._upsert(user, conversation, seq)
            except DuplicateKeyError:  # two first marks at once: now it is there
                await self._upsert(user, conversation, seq)
        except PyMongoError as error:
            raise _no_answer() from error

    async def find(self, user: str) -> dict[str, int]:
        fields = {"_id": False, "conversation": True, "seq": True}
        try:
            rows: list[dict[str, Any]] = await self._reads.find({"user": user}, fields).to_list()
        except PyMongoError as error:
            raise _no_answer() from error
        return {row["conversation"]: row["seq"] for row in rows}

    async def _upsert(self, user: str, conversation: str, seq: int) -> None:
        await self._reads.update_one(
            {"user": user, "conversation": conversation}, {"$max": {"seq": seq}}, upsert=True
        )


def _no_answer() -> WhimbrelError:
    return unavailable("MongoDB does not answer", outcome_unknown=True)
