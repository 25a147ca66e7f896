"""What the auditor keeps and reads in MongoDB.

audit_turn   _id "turn", holder, until_ms, after, message_id
messages     read only, and without bodies
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from bson import Int64
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.logic.adapters.message_store_mongo import COLLECTION as MESSAGES
from services.logic.adapters.timeline_store_mongo import COLLECTION as TIMELINES
from services.logic.audit_ports import AuditPlace
from services.logic.domain.audit import Outline
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

TURN: Final = "audit_turn"
_TURN_ID: Final = "turn"
_FIELDS: Final = {"sender": True, "conversation": True, "participants": True}


class MongoAuditTurn:
    """The port AuditTurn."""

    def __init__(self, database: Database) -> None:
        self._turns = database[TURN]

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> AuditPlace | None:
        mine = {"$or": [{"holder": holder}, {"until_ms": {"$lt": now_ms}}]}
        with writing():
            try:
                row = await self._turns.find_one_and_update(
                    {"_id": _TURN_ID, **mine},
                    {"$set": {"holder": holder, "until_ms": now_ms + lease_ms}},
                    upsert=True,
                )
            except DuplicateKeyError:  # it is there, and somebody else's
                return None
        row = row or {}
        return AuditPlace(row.get("after", ""), int(row.get("message_id", 0)))

    async def advance(self, holder: str, place: AuditPlace) -> bool:
        with writing():
            result = await self._turns.update_one(
                {"_id": _TURN_ID, "holder": holder},
                {"$set": {"after": place.after, "message_id": Int64(place.message_id)}},
            )
        return result.matched_count == 1


class MongoMessageOutlines:
    """The port MessageOutlines."""

    def __init__(self, database: Database) -> None:
        self._messages = database[MESSAGES]

    async def find(self, ids: Collection[int]) -> dict[int, Outline]:
        if not ids:
            return {}
        wanted = {"_id": {"$in": [Int64(one) for one in ids]}}
        with reading():
            rows = await self._messages.find(wanted, _FIELDS).to_list(None)
        return _outlines(rows)

    async def between(self, above: int, below: int, limit: int) -> dict[int, Outline]:
        wanted = {"_id": {"$gt": Int64(above), "$lt": Int64(below)}}
        with reading():
            cursor = self._messages.find(wanted, _FIELDS)
            rows = await cursor.sort("_id", ASCENDING).limit(limit).to_list(None)
        return _outlines(rows)


def _outlines(rows: Iterable[Mapping[str, Any]]) -> dict[int, Outline]:
    return {
        int(row["_id"]): Outline(row["sender"], row["conversation"], tuple(row["participants"]))
        for row in rows
    }


async def sample_users(database: Database, count: int) -> list[str]:
    """About `count` users, drawn by their entries: who has more is drawn more often. Not with
    the driver "motor", whose `aggregate` is another one."""
    drawn: list[Document] = [
        {"$sample": {"size": 2 * count}},
        {"$group": {"_id": "$user"}},
        {"$limit": count},
    ]
    with reading():
        cursor = await database[TIMELINES].aggregate(drawn)
        return sorted(row["_id"] for row in await cursor.to_list(None))
