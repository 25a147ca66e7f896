"""`search` in MongoDB: which words each text has. Shards by conversation.

    search        _id (message_id), conversation, words
    search_feed   _id "feed", fed_to, holder, until_ms

An index of (conversation, words, _id) and not MongoDB's text index: that one cannot be limited to
a list of conversations, so it would read what everybody has said with a word to find the few that
one user may see; and it knows no scripts without spaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bson import Int64
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from services.logic.adapters.message_store_mongo import COLLECTION as MESSAGES
from services.logic.adapters.mongo_bulk import insert_unordered, update_unordered
from services.logic.domain.history import Found, SearchDocument
from services.logic.domain.search_words import Query
from whimbrel.api.types.v1 import types_pb2
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

SEARCH = "search"
FEED = "search_feed"
_FEED_ID = "feed"
_LAST = "\U0010ffff"


class MongoSearchStore:
    """The port SearchStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._search = database[SEARCH]

    async def prepare(self) -> None:
        """Create the index of words (does nothing when it is there)."""
        with writing():
            await self._search.create_index(
                [("conversation", ASCENDING), ("words", ASCENDING), ("_id", ASCENDING)]
            )

    async def insert(self, documents: Sequence[SearchDocument]) -> None:
        rows: list[Document] = [{"_id": Int64(one.message_id), **_fields(one)} for one in documents]
        # What is refused is there already.
        await insert_unordered(self._database, SEARCH, rows)

    async def replace(self, documents: Sequence[SearchDocument]) -> None:
        updates: list[Document] = [
            {
                "q": {
                    "_id": Int64(one.message_id),
                    "changed_by": {"$lt": Int64(one.changed_by)},
                },
                "u": {"$set": _fields(one)},
                "upsert": True,
            }
            for one in documents
        ]
        # What is refused is there with a later change.
        await update_unordered(self._database, SEARCH, updates)

    async def missing(self, ids: Iterable[int]) -> set[int]:
        wanted = set(ids)
        with reading():
            rows = await self._search.find(
                {"_id": {"$in": [Int64(one) for one in wanted]}}, {"_id": True}
            ).to_list(None)
        return wanted - {int(row["_id"]) for row in rows}

    async def find(
        self, conversations: Sequence[str], query: Query, before: int, limit: int
    ) -> list[Found]:
        wanted: list[dict[str, Any]] = [{"words": word} for word in query.words]
        if query.prefix:
            begins = {"$gte": query.prefix, "$lt": query.prefix + _LAST}
            wanted.append({"words": {"$elemMatch": begins}})
        if not wanted or limit <= 0:
            return []
        matching = {
            "conversation": {"$in": list(conversations)},
            "_id": {"$lt": Int64(before)},
            "$and": wanted,
        }
        with reading():
            cursor = self._search.find(matching, {"conversation": True})
            rows = await cursor.sort("_id", DESCENDING).limit(limit).to_list(None)
        return [Found(int(row["_id"]), row["conversation"]) for row in rows]


def _fields(document: SearchDocument) -> Document:
    return {
        "conversation": document.conversation,
        "words": list(document.words),
        "changed_by": Int64(document.changed_by),
    }


class MongoSearchFeed:
    """The port SearchFeed."""

    def __init__(self, database: Database) -> None:
        self._feed = database[FEED]

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> int | None:
        mine = {"$or": [{"holder": holder}, {"until_ms": {"$lt": now_ms}}]}
        with writing():
            try:
                row = await self._feed.find_one_and_update(
                    {"_id": _FEED_ID, **mine},
                    {"$set": {"holder": holder, "until_ms": now_ms + lease_ms}},
                    upsert=True,
                )
            except DuplicateKeyError:  # it is there, and somebody else's
                return None
        return int(row.get("fed_to", 0)) if row else 0

    async def advance(self, holder: str, fed_to: int, *, until_ms: int) -> bool:
        with writing():
            result = await self._feed.update_one(
                {"_id": _FEED_ID, "holder": holder},
                {"$max": {"fed_to": Int64(fed_to), "until_ms": until_ms}},
            )
        return result.matched_count == 1


class MongoTextLog:
    """The port TextLog."""

    def __init__(self, database: Database) -> None:
        self._messages = database[MESSAGES]

    async def texts(self, above: int, below: int, limit: int) -> list[tuple[int, str]]:
        between = {"_id": {"$gt": Int64(above), "$lt": Int64(below)}}
        with reading():
            cursor = self._messages.find(
                {**between, "body_kind": types_pb2.BODY_KIND_TEXT}, {"sender": True}
            )
            rows = await cursor.sort("_id", ASCENDING).limit(limit).to_list(None)
        return [(int(row["_id"]), row["sender"]) for row in rows]
