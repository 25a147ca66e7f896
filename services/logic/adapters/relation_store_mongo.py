"""`relations` in MongoDB: one document for each pair of users that ever met.

    _id ("alice:bob"), users, friendship, asked_by, since_ms, blocked_by, version, changed_at

Friendship and blocks of a pair are one document, so that a block ends a friendship in one write
and a send finds both in one look-up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.logic.adapters.changes_mongo import CHANGED_AT, MongoChanges
from services.logic.domain.people import Friendship, Pair, Relation
from services.logic.social_ports import Changes
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION = "relations"


class MongoRelationStore:
    """The port RelationStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._relations = database[COLLECTION]
        self._changes = MongoChanges(database, COLLECTION)

    async def prepare(self) -> None:
        """Create the indexes of the lists."""
        with writing():
            await self._relations.create_index(
                [("users", ASCENDING), ("friendship", ASCENDING), ("_id", ASCENDING)]
            )
            await self._relations.create_index([("blocked_by", ASCENDING), ("_id", ASCENDING)])
        await self._changes.prepare()

    async def find(self, keys: Collection[Pair]) -> Mapping[Pair, Relation]:
        if not keys:
            return {}
        with reading():
            cursor = self._relations.find({"_id": {"$in": [_name(pair) for pair in keys]}})
            rows = await cursor.to_list(None)
        return dict(_relation(row) for row in rows)

    async def changed(self, mark: object) -> Changes:
        return await self._changes.since(mark)

    def key_of(self, name: str) -> Pair:
        return Pair(*name.split(":"))

    async def replace(self, pair: Pair, relation: Relation) -> bool:
        stored = {
            "users": list(pair),
            "friendship": int(relation.friendship),
            "asked_by": relation.asked_by,
            "since_ms": relation.since_ms,
            "blocked_by": sorted(relation.blocked_by),
            "version": relation.version + 1,
        }
        with writing():
            try:
                done = await self._relations.update_one(
                    {"_id": _name(pair), "version": relation.version},
                    {"$set": stored, "$currentDate": {CHANGED_AT: True}},
                    upsert=relation.version == 0,
                )
            except DuplicateKeyError:  # it has a version already
                return False
        return done.matched_count > 0 or done.upserted_id is not None

    async def count(self, user: str, friendship: Friendship) -> int:
        with reading():
            return int(
                await self._relations.count_documents(
                    {"users": user, "friendship": int(friendship)}
                )
            )

    async def of(
        self, user: str, friendship: Friendship, after: str, limit: int
    ) -> list[tuple[Pair, Relation]]:
        return await self._page({"users": user, "friendship": int(friendship)}, after, limit)

    async def blocked_by(self, user: str, after: str, limit: int) -> list[tuple[Pair, Relation]]:
        return await self._page({"blocked_by": user}, after, limit)

    async def _page(
        self, wanted: dict[str, Any], after: str, limit: int
    ) -> list[tuple[Pair, Relation]]:
        with reading():
            cursor = self._relations.find({**wanted, "_id": {"$gt": after}})
            rows = await cursor.sort("_id", ASCENDING).limit(limit).to_list(None)
        return [_relation(row) for row in rows]


def _name(pair: Pair) -> str:
    return ":".join(pair)


def _relation(row: Mapping[str, Any]) -> tuple[Pair, Relation]:
    return Pair(*row["users"]), Relation(
        friendship=Friendship(row["friendship"]),
        asked_by=row["asked_by"],
        since_ms=int(row["since_ms"]),
        blocked_by=frozenset(row["blocked_by"]),
        version=row["version"],
    )
