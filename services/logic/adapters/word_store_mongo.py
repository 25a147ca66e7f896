"""`words` in MongoDB: the forbidden words, and one document that says which list is in force.

    words       _id (list/word), list, word, action
    word_lists  _id ("words"), list, version

Replacing the list writes the new one beside the old and then names it in `word_lists`, so that
readers see one or the other. Whoever adds to a list that was replaced meanwhile is told CONFLICT.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.logic.adapters.mongo_bulk import update_unordered
from services.logic.domain.words import Action
from services.logic.moderation_ports import WordBook
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION = "words"
LISTS = "word_lists"
_THE_LIST = "words"
_FIRST = "first"


class MongoWordStore:
    """The port WordStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._words = database[COLLECTION]
        self._lists = database[LISTS]

    async def prepare(self) -> None:
        """Create the index that lists words in their order, and the first, empty list."""
        with writing():
            await self._words.create_index([("list", ASCENDING), ("word", ASCENDING)])
            with suppress(DuplicateKeyError):  # another Logic starts at the same time
                await self._lists.update_one(
                    {"_id": _THE_LIST},
                    {"$setOnInsert": {"list": _FIRST, "version": 0}},
                    upsert=True,
                )

    async def version(self) -> int:
        return (await self._current())[1]

    async def load(self) -> WordBook:
        name, version = await self._current()
        with reading():
            rows = await self._words.find({"list": name}, {"_id": False}).to_list(None)
        return WordBook(version, {row["word"]: Action(row["action"]) for row in rows})

    async def put(self, words: Mapping[str, Action]) -> None:
        name, _ = await self._current()
        await self._write(name, words)
        await self._raise_version(name)

    async def remove(self, words: Collection[str]) -> None:
        name, _ = await self._current()
        with writing():
            await self._words.delete_many({"list": name, "word": {"$in": list(words)}})
        await self._raise_version(name)

    async def replace(self, words: Mapping[str, Action]) -> None:
        name = secrets.token_hex(8)
        await self._write(name, words)
        with writing():
            await self._lists.update_one(
                {"_id": _THE_LIST}, {"$set": {"list": name}, "$inc": {"version": 1}}
            )
            # Lists that are in force no more, and those that died half-way.
            await self._words.delete_many({"list": {"$ne": (await self._current())[0]}})

    async def page(self, after: str, limit: int) -> list[tuple[str, Action]]:
        name, _ = await self._current()
        with reading():
            cursor = self._words.find({"list": name, "word": {"$gt": after}})
            rows = await cursor.sort("word", ASCENDING).limit(limit).to_list(None)
        return [(row["word"], Action(row["action"])) for row in rows]

    async def _current(self) -> tuple[str, int]:
        with reading():
            row = await self._lists.find_one({"_id": _THE_LIST})
        return (row["list"], row["version"]) if row else (_FIRST, 0)

    async def _write(self, name: str, words: Mapping[str, Action]) -> None:
        updates = [
            {
                "q": {"_id": f"{name}/{word}"},
                "u": {"$set": {"list": name, "word": word, "action": int(action)}},
                "upsert": True,
            }
            for word, action in words.items()
        ]
        await update_unordered(self._database, COLLECTION, updates)

    async def _raise_version(self, name: str) -> None:
        with writing():
            done = await self._lists.update_one(
                {"_id": _THE_LIST, "list": name}, {"$inc": {"version": 1}}
            )
        if not done.matched_count:
            raise WhimbrelError(
                ErrorCode.CONFLICT,
                "the list was replaced meanwhile: say it again",
                retry_after_seconds=0.2,
            )
