"""The port EventRecords in MongoDB, on what Logic writes and the queue empties."""

from __future__ import annotations

from collections.abc import Sequence

from bson import Int64
from pymongo import ASCENDING, UpdateOne

from services.push.adapters.event_queue_mongo import EVENTS, KEYS
from services.push.webhook_ports import RecordedEvent
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database


class MongoEventRecords:
    """For people: nothing here is on the way of an event."""

    def __init__(self, database: Database) -> None:
        self._events = database[EVENTS]
        self._keys = database[KEYS]

    async def list_events(self, *, is_dead: bool, after: str, limit: int) -> list[RecordedEvent]:
        state = "dead" if is_dead else "waiting"
        fields = {"key": True, "at_ms": True}
        with reading():
            found = self._events.find({"_id": {"$gt": after}, "state": state}, fields)
            rows = await found.sort("_id", ASCENDING).limit(limit).to_list(None)
            if is_dead:
                return [RecordedEvent(row["_id"], row["key"], int(row["at_ms"])) for row in rows]
            names = list({row["key"] for row in rows})
            keys = {
                key["_id"]: (int(key["attempts"]), int(key["due_ms"]))
                for key in await self._keys.find({"_id": {"$in": names}}).to_list(None)
            }
        return [
            RecordedEvent(row["_id"], row["key"], int(row["at_ms"]), *keys.get(row["key"], (0, 0)))
            for row in rows
        ]

    async def revive(self, event_ids: Sequence[str], *, now_ms: int) -> int:
        dead = {"_id": {"$in": list(event_ids)}, "state": "dead"}
        with reading():
            names = sorted({row["key"] for row in await self._events.find(dead).to_list(None)})
        if not names:
            return 0
        with writing():
            result = await self._events.update_many(
                dead, {"$set": {"state": "waiting", "due_ms": Int64(now_ms)}}
            )
            # After the events: who finds the key finds them. One that is being delivered stays
            # with its holder, who sees by the version that there is more.
            anew = {"attempts": 0, "due_ms": Int64(now_ms)}
            await self._keys.bulk_write(
                [
                    UpdateOne(
                        {"_id": name},
                        {
                            "$set": anew,
                            "$inc": {"version": 1},
                            "$setOnInsert": {"until_ms": Int64(0)},
                        },
                        upsert=True,
                    )
                    for name in names
                ],
                ordered=False,
            )
        return int(result.modified_count)

    async def hurry(self, *, now_ms: int) -> int:
        with writing():
            result = await self._keys.update_many(
                {"attempts": {"$gt": 0}, "due_ms": {"$gt": Int64(now_ms)}},
                {"$set": {"due_ms": Int64(now_ms)}},
            )
        return int(result.modified_count)
