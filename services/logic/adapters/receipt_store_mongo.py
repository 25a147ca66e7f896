"""`receipts` in MongoDB: {conversation, user, message_id}, one document for each member.

Shards by conversation: they are asked for by conversation, and by nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence

from bson import Int64
from pymongo import ASCENDING

from services.logic.adapters.mongo_bulk import update_unordered
from services.logic.domain.model import ReadReceipt
from whimbrel.core.errors import unavailable
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

COLLECTION = "receipts"


class MongoReceiptStore:
    """The port ReceiptStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._receipts = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index that makes a cursor one (does nothing when it is there)."""
        with writing():
            await self._receipts.create_index(
                [("conversation", ASCENDING), ("user", ASCENDING)], unique=True
            )

    async def raise_all(self, receipts: Sequence[ReadReceipt]) -> None:
        updates: list[Document] = [
            {
                "q": {"conversation": one.conversation, "user": one.user},
                "u": {"$max": {"message_id": Int64(one.message_id)}},
                "upsert": True,
            }
            for one in receipts
        ]
        refused = await update_unordered(self._database, COLLECTION, updates)
        if refused:  # two first receipts at once: now they are there
            again = [updates[index] for index in refused]
            if await update_unordered(self._database, COLLECTION, again):
                raise unavailable("MongoDB did not raise every receipt", outcome_unknown=True)

    async def find(self, conversation: str) -> dict[str, int]:
        fields = {"_id": False, "user": True, "message_id": True}
        with reading():
            rows = await self._receipts.find({"conversation": conversation}, fields).to_list(None)
        return {row["user"]: int(row["message_id"]) for row in rows}
