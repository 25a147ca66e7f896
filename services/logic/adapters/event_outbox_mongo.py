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
from whimbrel.runtime.mongo_errors import writing
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
