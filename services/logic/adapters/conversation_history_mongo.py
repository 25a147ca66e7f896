"""`timelines` by conversation, through the unique index (user, conversation, message_id).

Every query names the user first, so it goes to one shard and shows nothing that was not placed
in that user's timeline (rule 26).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from bson import Int64
from pymongo import ASCENDING, DESCENDING

from services.logic.adapters.timeline_store_mongo import COLLECTION
from services.logic.domain.model import Placement, TimelineEntry
from whimbrel.runtime.mongo_errors import reading
from whimbrel.runtime.stores import Database

LOOK_UP_CHUNK = 100
"""Branches of an $or in one query."""
IDS_PER_BRANCH = 1000
HAS_MESSAGE: dict[str, Any] = {"$gte": Int64(0)}
"""Says to the planner that the query stays within the partial index: no voids."""


class MongoConversationHistory:
    """The port ConversationHistory. `MongoTimelineStore.prepare` makes its index."""

    def __init__(self, database: Database) -> None:
        self._timelines = database[COLLECTION]

    async def conversations(self, user: str) -> list[str]:
        # Answered by jumps from conversation to conversation in the index (a DISTINCT_SCAN).
        with reading():
            names = await self._timelines.distinct(
                "conversation", {"user": user, "message_id": HAS_MESSAGE}
            )
        return sorted(names)

    async def before(
        self, user: str, conversation: str, message_id: int | None, limit: int
    ) -> list[TimelineEntry]:
        below = HAS_MESSAGE if message_id is None else {**HAS_MESSAGE, "$lt": Int64(message_id)}
        rows = await self._page(user, conversation, below, DESCENDING, limit)
        return rows[::-1]

    async def after(
        self, user: str, conversation: str, message_id: int, limit: int
    ) -> list[TimelineEntry]:
        return await self._page(user, conversation, {"$gt": Int64(message_id)}, ASCENDING, limit)

    async def _page(
        self, user: str, conversation: str, ids: Mapping[str, Any], order: int, limit: int
    ) -> list[TimelineEntry]:
        if limit <= 0:  # MongoDB would take 0 for "all"
            return []
        wanted = {"user": user, "conversation": conversation, "message_id": ids}
        with reading():
            cursor = self._timelines.find(wanted, {"_id": False})
            rows = await cursor.sort("message_id", order).limit(limit).to_list(None)
        return [_entry(row) for row in rows]

    async def placed(self, placements: Iterable[Placement]) -> dict[Placement, TimelineEntry]:
        ids_of: dict[tuple[str, str], list[Int64]] = defaultdict(list)
        for user, conversation, message_id in placements:
            ids_of[user, conversation].append(Int64(message_id))
        branches = [
            {
                "user": user,
                "conversation": conversation,
                "message_id": {"$in": ids[start : start + IDS_PER_BRANCH]},
            }
            for (user, conversation), ids in ids_of.items()
            for start in range(0, len(ids), IDS_PER_BRANCH)
        ]
        found: dict[Placement, TimelineEntry] = {}
        for start in range(0, len(branches), LOOK_UP_CHUNK):
            either = branches[start : start + LOOK_UP_CHUNK]
            with reading():
                rows = await self._timelines.find({"$or": either}, {"_id": False}).to_list(None)
            for row in rows:
                entry = _entry(row)
                place = Placement(entry.user, entry.conversation, entry.message_id or 0)
                found[place] = entry
        return found

    async def users(self, after: str, limit: int) -> list[str]:
        # One jump in the index (user, seq) for each of them.
        found: list[str] = []
        last = after
        while len(found) < limit:
            with reading():
                row = await self._timelines.find_one(
                    {"user": {"$gt": last}},
                    {"_id": False, "user": True},
                    sort=[("user", ASCENDING), ("seq", ASCENDING)],
                )
            if row is None:
                break
            last = row["user"]
            found.append(last)
        return found


def _entry(row: Mapping[str, Any]) -> TimelineEntry:
    return TimelineEntry(
        row["user"],
        row["seq"],
        int(row["message_id"]),
        row["conversation"],
        row["sender"],
        row.get("late", False),
    )
