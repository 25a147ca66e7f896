"""`cursors` in MongoDB: what each device has acknowledged. Shards by user.

    _id ("user/device"; no name has a slash), user, device, cursor

Only $max ever changes a cursor, so reports may arrive in any order and more than once. Push and
the undelivered index read these rows by user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pymongo import ASCENDING

from services.logic.adapters.mongo_bulk import insert_unordered, update_unordered
from services.logic.domain.model import DeviceCursor
from whimbrel.core.errors import unavailable
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

COLLECTION = "cursors"
BY_ID = "_id_"


class MongoCursorStore:
    """The port CursorStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cursors = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index that finds the devices of a user (does nothing when it is there)."""
        with writing():
            await self._cursors.create_index([("user", ASCENDING)])

    async def find(self, devices: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        by_id = {_id(user, device): (user, device) for user, device in devices}
        if not by_id:
            return {}
        users = {user for user, _ in by_id.values()}
        with reading():
            rows = await self._cursors.find(
                {"_id": {"$in": [*by_id]}, "user": {"$in": [*users]}}, {"cursor": True}, hint=BY_ID
            ).to_list(None)
        return {by_id[row["_id"]]: row["cursor"] for row in rows}

    async def find_of_users(self, users: Iterable[str]) -> dict[tuple[str, str], int]:
        fields = {"_id": False, "user": True, "device": True, "cursor": True}
        with reading():
            rows = await self._cursors.find({"user": {"$in": [*users]}}, fields).to_list(None)
        # A row that has lost its device still says how far the user has come.
        return {(row["user"], row.get("device", "")): row["cursor"] for row in rows}

    async def highest(self, users: Iterable[str]) -> dict[str, int]:
        highest: dict[str, int] = {}
        for (user, _), cursor in (await self.find_of_users(users)).items():
            highest[user] = max(cursor, highest.get(user, 0))
        return highest

    async def raise_to(self, cursors: Sequence[DeviceCursor]) -> None:
        updates = [_update(cursor) for cursor in cursors]
        refused = await update_unordered(self._database, COLLECTION, updates)
        # Two pods met at the first cursor of a device: one created it, the other only raises it.
        again = [updates[index] for index in refused]
        if again and await update_unordered(self._database, COLLECTION, again):
            raise unavailable("some cursors were not stored", outcome_unknown=True)

    async def create(self, cursors: Sequence[DeviceCursor]) -> None:
        # The server writes what is inserted together at once, and what is updated one by one.
        rows: list[Document] = [
            {"_id": _id(user, device), "user": user, "device": device, "cursor": value}
            for user, device, value in cursors
        ]
        refused = await insert_unordered(self._database, COLLECTION, rows)
        if refused:
            await self.raise_to([cursors[index] for index in refused])


def _id(user: str, device: str) -> str:
    return f"{user}/{device}"


def _update(cursor: DeviceCursor) -> Document:
    user, device, value = cursor
    return {
        "q": {"_id": _id(user, device), "user": user},
        "u": {"$max": {"cursor": value}, "$setOnInsert": {"device": device}},
        "upsert": True,
    }
