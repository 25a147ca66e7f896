"""The port EventQueue in MongoDB, on what Logic writes (`webhook_events`, `webhook_keys`)."""

from __future__ import annotations

from collections.abc import Sequence

from bson import Int64
from pymongo import ASCENDING

from services.push.webhook_ports import QueuedEvent, TakenKey
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

EVENTS = "webhook_events"
KEYS = "webhook_keys"


class MongoEventQueue:
    """Leases are one find-and-modify; the clock is the caller's."""

    def __init__(self, database: Database) -> None:
        self._events = database[EVENTS]
        self._keys = database[KEYS]

    async def take(self, holder: str, *, now_ms: int, lease_ms: int) -> TakenKey | None:
        with writing():
            row = await self._keys.find_one_and_update(
                {"due_ms": {"$lte": Int64(now_ms)}, "until_ms": {"$lte": Int64(now_ms)}},
                {"$set": {"holder": holder, "until_ms": Int64(now_ms + lease_ms)}},
                sort=[("due_ms", ASCENDING)],
            )
        return TakenKey(row["_id"], int(row["attempts"]), int(row["version"])) if row else None

    async def page(self, key: str, *, now_ms: int, limit: int) -> list[QueuedEvent]:
        # Those of a Logic that did not say when they are due are old enough.
        is_due = {"$not": {"$gt": Int64(now_ms)}}
        waiting = {"key": key, "state": "waiting", "due_ms": is_due}
        with reading():
            cursor = self._events.find(waiting).sort("order", ASCENDING).limit(limit)
            rows = await cursor.to_list(None)
        return [QueuedEvent(row["_id"], int(row["at_ms"]), row["content"]) for row in rows]

    async def remove(self, event_ids: Sequence[str]) -> None:
        with writing():
            await self._events.delete_many({"_id": {"$in": list(event_ids)}})

    async def bury(self, event_ids: Sequence[str]) -> None:
        with writing():
            await self._events.update_many(
                {"_id": {"$in": list(event_ids)}}, {"$set": {"state": "dead"}}
            )

    async def release(self, taken: TakenKey, holder: str, *, due_ms: int, attempts: int) -> None:
        with writing():
            await self._keys.update_one(
                {"_id": taken.key, "holder": holder},
                {
                    "$set": {
                        "due_ms": Int64(due_ms),
                        "attempts": attempts,
                        "until_ms": Int64(0),
                        "holder": "",
                    }
                },
            )

    async def finish(self, taken: TakenKey, holder: str, *, due_ms: int) -> None:
        with reading():
            left = await self._events.find_one({"key": taken.key, "state": "waiting"})
        if left is None:
            with writing():
                result = await self._keys.delete_one(
                    {"_id": taken.key, "holder": holder, "version": taken.version}
                )
            if result.deleted_count:
                return
        await self.release(taken, holder, due_ms=due_ms, attempts=0)
