"""`reads` in MongoDB: {user, conversation, seq}, one document for each conversation of a user.
`pulls` has the same shape and rules: up to which seq a conversation was pulled over HTTP.

Read marks only rise: two devices may report in any order, and a report that was repeated
changes nothing. Push reads the same documents just before it wakes anybody (rule 21).
"""

from __future__ import annotations

from collections.abc import Mapping

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.logic.adapters.mongo_bulk import update_unordered
from whimbrel.core.errors import unavailable
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

READS = "reads"
PULLS = "pulls"


class MongoReadStore:
    """The port ReadStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database, collection: str = READS) -> None:
        self._database = database
        self._name = collection
        self._reads = database[collection]

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

    async def raise_all(self, user: str, marks: Mapping[str, int]) -> None:
        updates: list[Document] = [
            {
                "q": {"user": user, "conversation": conversation},
                "u": {"$max": {"seq": seq}},
                "upsert": True,
            }
            for conversation, seq in marks.items()
        ]
        if not updates:
            return
        refused = await update_unordered(self._database, self._name, updates)
        if refused:  # two first marks at once: now they are there
            again = [updates[index] for index in refused]
            if await update_unordered(self._database, self._name, again):
                raise unavailable("MongoDB did not raise every mark", outcome_unknown=True)

    async def find(self, user: str) -> dict[str, int]:
        fields = {"_id": False, "conversation": True, "seq": True}
        with reading():
            rows = await self._reads.find({"user": user}, fields).to_list(None)
        return {row["conversation"]: row["seq"] for row in rows}

    async def _upsert(self, user: str, conversation: str, seq: int) -> None:
        await self._reads.update_one(
            {"user": user, "conversation": conversation}, {"$max": {"seq": seq}}, upsert=True
        )
