"""The port Standings in MongoDB: `host_standings`, one document for each user who was ever online.

    _id (user), version, is_online, at_ms, is_told, away_since_ms, look_ms

Shards by `_id`.
"""

from __future__ import annotations

from collections.abc import Sequence

from bson import Int64
from pymongo import ASCENDING

from services.logic.adapters.mongo_bulk import update_unordered
from services.logic.domain.standings import NEVER, Standing
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

COLLECTION = "host_standings"


class MongoStandings:
    """Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standings = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index that finds who is due (does nothing when it is there)."""
        with writing():
            await self._standings.create_index([("look_ms", ASCENDING)])

    async def find(self, users: Sequence[str]) -> dict[str, Standing]:
        if not users:
            return {}
        with reading():
            rows = await self._standings.find({"_id": {"$in": list(users)}}).to_list(None)
        return {row["_id"]: _standing(row) for row in rows}

    async def due(self, *, now_ms: int, limit: int) -> list[str]:
        is_due = {"look_ms": {"$gt": NEVER, "$lte": Int64(now_ms)}}
        with reading():
            cursor = self._standings.find(is_due, {"_id": True})
            rows = await cursor.sort("look_ms", ASCENDING).limit(limit).to_list(None)
        return [row["_id"] for row in rows]

    async def put(self, standings: Sequence[Standing]) -> None:
        if not standings:
            return
        # One that is refused, or matches nothing, was changed by somebody else meanwhile.
        await update_unordered(self._database, COLLECTION, [_update(one) for one in standings])


def _update(standing: Standing) -> Document:
    fields = {
        "version": standing.version,
        "is_online": standing.is_online,
        "at_ms": Int64(standing.at_ms),
        "is_told": standing.is_told,
        "away_since_ms": Int64(standing.away_since_ms),
        "look_ms": Int64(standing.look_ms),
    }
    return {
        "q": {"_id": standing.user, "version": standing.version - 1},
        "u": {"$set": fields},
        "upsert": standing.version == 1,
    }


def _standing(row: Document) -> Standing:
    return Standing(
        row["_id"],
        int(row["version"]),
        bool(row["is_online"]),
        int(row["at_ms"]),
        bool(row["is_told"]),
        int(row["away_since_ms"]),
        int(row["look_ms"]),
    )
