"""The outbox of events in MongoDB: Redis may vanish, an event may not.

    webhook_events   _id (event id), key, order, at_ms, due_ms, content, state ("waiting", "dead")
    webhook_keys     _id (key), due_ms, until_ms, holder, attempts, version

Events first, then their key: who dies in between is cleaned up after, and puts both again. The
`version` of a key rises with each put, so that nobody takes a key away that got an event meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

from bson import Int64
from pymongo import ASCENDING

from services.logic.adapters.mongo_bulk import insert_unordered, update_unordered
from services.logic.domain.events import HostEvent
from services.logic.webhook_ports import MAX_COUNTED, OutboxState
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

EVENTS = "webhook_events"
KEYS = "webhook_keys"


class MongoEventOutbox:
    """The port EventOutbox. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Create the indexes that delivering reads by (does nothing when they are there)."""
        with writing():
            await self._database[EVENTS].create_index(
                [("key", ASCENDING), ("state", ASCENDING), ("order", ASCENDING)]
            )
            await self._database[EVENTS].create_index([("state", ASCENDING), ("at_ms", ASCENDING)])
            await self._database[KEYS].create_index([("due_ms", ASCENDING)])

    async def put(self, events: Sequence[HostEvent], *, due_ms: int) -> None:
        await insert_unordered(
            self._database,
            EVENTS,
            [
                {
                    "_id": one.event_id,
                    "key": one.key,
                    "order": Int64(one.order),
                    "at_ms": Int64(one.at_ms),
                    "due_ms": Int64(due_ms),
                    "content": one.content,
                    "state": "waiting",
                }
                for one in events
            ],
        )
        first = {"due_ms": Int64(due_ms), "until_ms": Int64(0), "attempts": 0}
        await update_unordered(
            self._database,
            KEYS,
            [
                {
                    "q": {"_id": key},
                    "u": {"$inc": {"version": 1}, "$setOnInsert": first},
                    "upsert": True,
                }
                for key in sorted({one.key for one in events})
            ],
        )

    async def state(self, *, now_ms: int) -> OutboxState:
        events, keys = self._database[EVENTS], self._database[KEYS]
        is_due = {"due_ms": {"$lte": Int64(now_ms)}, "until_ms": {"$lte": Int64(now_ms)}}
        with reading():
            waiting, dead = [
                await events.count_documents({"state": state}, limit=MAX_COUNTED)
                for state in ("waiting", "dead")
            ]
            oldest = await events.find_one({"state": "waiting"}, sort=[("at_ms", ASCENDING)])
            key = await keys.find_one(is_due, sort=[("due_ms", ASCENDING)])
        return OutboxState(
            waiting=waiting,
            dead=dead,
            oldest_at_ms=int(oldest["at_ms"]) if oldest else 0,
            untaken_ms=now_ms - max(int(key["due_ms"]), int(key["until_ms"])) if key else 0,
        )
