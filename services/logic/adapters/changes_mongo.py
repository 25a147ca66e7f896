"""What has changed in a collection since we last looked, by a field that every write raises.

A write may become visible after one with a later time, and clocks differ by a little, so the
last 10 s are always looked at again: whoever caches from here hears of a change more than once,
and of every one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING

from services.logic.social_ports import Changes
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

CHANGED_AT: Final = "changed_at"
"""Set by the server itself ($currentDate), so that all writers have one clock."""
OVERLAP: Final = timedelta(seconds=10)
MAX_CHANGES: Final = 2000
"""Told one by one; beyond it whoever caches forgets everything."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class MongoChanges:
    """The changes of one collection; `field` is a date, or Unix milliseconds (`in_ms`)."""

    def __init__(
        self, database: Database, collection: str, *, field: str = CHANGED_AT, in_ms: bool = False
    ) -> None:
        self._collection = database[collection]
        self._field = field
        self._first: Any = 0 if in_ms else _EPOCH
        self._overlap: Any = round(OVERLAP.total_seconds() * 1000) if in_ms else OVERLAP

    async def prepare(self) -> None:
        """Create the index that finds them."""
        with writing():
            await self._collection.create_index([(self._field, ASCENDING)])

    async def since(self, mark: object) -> Changes:
        """See services.logic.social_ports.Facts.changed."""
        if mark is None:
            return Changes(await self._newest(), [])
        since: Any = mark
        wanted = {self._field: {"$gt": since - self._overlap}}
        with reading():
            cursor = self._collection.find(wanted, {self._field: True})
            rows = await cursor.limit(MAX_CHANGES).to_list(None)
        if len(rows) == MAX_CHANGES:
            return Changes(await self._newest(), [], is_complete=False)
        newest = max((row[self._field] for row in rows), default=since)
        return Changes(max(newest, since), [str(row["_id"]) for row in rows])

    async def _newest(self) -> Any:
        with reading():
            cursor = self._collection.find({}, {self._field: True})
            rows = await cursor.sort(self._field, DESCENDING).limit(1).to_list(None)
        return rows[0].get(self._field, self._first) if rows else self._first
