"""`settings` in MongoDB: what a user has set for a conversation. Shards by user.

user, conversation, pinned, muted         a field that was never set is absent
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.logic.domain.history import ConversationSettings
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION = "settings"
LOOK_UP_CHUNK = 200
"""Branches of an $or in one query."""
_ALONE = {"_id": False}


class MongoSettingsStore:
    """The port SettingsStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._settings = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index that makes a document one (does nothing when it is there)."""
        with writing():
            await self._settings.create_index(
                [("user", ASCENDING), ("conversation", ASCENDING)], unique=True
            )

    async def change(
        self, user: str, conversation: str, *, is_pinned: bool | None, is_muted: bool | None
    ) -> ConversationSettings:
        wished = {"pinned": is_pinned, "muted": is_muted}
        changes = {name: value for name, value in wished.items() if value is not None}
        place = {"user": user, "conversation": conversation}
        with writing():
            if changes:
                try:
                    await self._settings.update_one(place, {"$set": changes}, upsert=True)
                except DuplicateKeyError:  # two first changes at once: now it is there
                    await self._settings.update_one(place, {"$set": changes}, upsert=True)
            row = await self._settings.find_one(place, _ALONE)
        return _settings(row or {})

    async def find(self, user: str) -> dict[str, ConversationSettings]:
        with reading():
            rows = await self._settings.find({"user": user}, _ALONE).to_list(None)
        return {row["conversation"]: _settings(row) for row in rows}

    async def muted(self, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        waiting = iter(dict.fromkeys(pairs))
        found: set[tuple[str, str]] = set()
        while chunk := list(islice(waiting, LOOK_UP_CHUNK)):
            either = [{"user": user, "conversation": name, "muted": True} for user, name in chunk]
            with reading():
                rows = await self._settings.find({"$or": either}, _ALONE).to_list(None)
            found |= {(row["user"], row["conversation"]) for row in rows}
        return found


def _settings(row: Mapping[str, Any]) -> ConversationSettings:
    return ConversationSettings(row.get("pinned", False), row.get("muted", False))
