"""The port MediaStore in MongoDB.

media        _id (media_id), owner, name, declared_type, type, size, offset, state, handle,
             thumbnail, thumbnail_bytes, created_ms, expires_ms, writer, writer_until_ms
media_usage  _id (user), bytes, open: [{id, bytes, at_ms}]

The quota is one document of the user, so that reserving is one compare-and-set. What is
reserved and not settled stands in `open` by its id: giving back, or keeping for good, takes the
entry away in the same update, so each can be repeated after a crash and happens once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from pymongo import ASCENDING

from services.gateway.domain.media import Media, MediaState
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

COLLECTION: Final = "media"
_USAGE: Final = "media_usage"
_BUSY_RETRY_SECONDS: Final = 5.0


class MongoMediaStore:
    """Media and quotas. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._media = database[COLLECTION]
        self._usage = database[_USAGE]

    async def prepare(self) -> None:
        with writing():
            await self._media.create_index([("state", ASCENDING), ("expires_ms", ASCENDING)])
            await self._usage.create_index("open.at_ms")

    async def add(self, media: Media, *, quota_bytes: int, max_open: int) -> None:
        await self._reserve(media, quota_bytes=quota_bytes, max_open=max_open)
        document = asdict(media)
        document["_id"] = document.pop("media_id")
        with writing():
            await self._media.insert_one({**document, "writer": "", "writer_until_ms": 0})

    async def find(self, media_id: str) -> Media | None:
        with reading():
            document = await self._media.find_one({"_id": media_id})
        return None if document is None else _media(document)

    async def claim(
        self, media_id: str, offset: int, writer: str, *, now_ms: int, until_ms: int
    ) -> bool:
        stands = {
            "_id": media_id,
            "state": MediaState.UPLOADING,
            "offset": offset,
            "writer_until_ms": {"$lte": now_ms},
        }
        with writing():
            done = await self._media.update_one(
                stands, {"$set": {"writer": writer, "writer_until_ms": until_ms}}
            )
        return done.matched_count == 1

    async def advance(
        self, media_id: str, writer: str, offset: int, to: int, *, until_ms: int, expires_ms: int
    ) -> bool:
        stands = {
            "_id": media_id,
            "state": MediaState.UPLOADING,
            "offset": offset,
            "writer": writer,
        }
        moved = {"offset": to, "writer_until_ms": until_ms, "expires_ms": expires_ms}
        with writing():
            done = await self._media.update_one(stands, {"$set": moved})
        return done.matched_count == 1

    async def release(self, media_id: str, writer: str) -> None:
        with writing():
            await self._media.update_one(
                {"_id": media_id, "writer": writer},
                {"$set": {"writer": "", "writer_until_ms": 0}},
            )

    async def complete(self, media_id: str, found_type: str) -> None:
        with writing():
            await self._media.update_one(
                {"_id": media_id, "state": MediaState.UPLOADING},
                {"$set": {"state": MediaState.COMPLETE, "type": found_type}},
            )
            await self._usage.update_one(
                {"open.id": media_id}, {"$pull": {"open": {"id": media_id}}}
            )

    async def add_thumbnail(self, media_id: str, handle: str, size: int) -> bool:
        stands = {"_id": media_id, "state": MediaState.COMPLETE, "thumbnail": ""}
        with writing():
            done = await self._media.update_one(
                stands, {"$set": {"thumbnail": handle, "thumbnail_bytes": size}}
            )
        return done.matched_count == 1

    async def begin_delete(self, media_id: str, *, expired_by_ms: int | None = None) -> bool:
        stands: Document = {"_id": media_id}
        if expired_by_ms is not None:
            stands["$or"] = _stale(expired_by_ms)
        with writing():
            done = await self._media.update_one(stands, {"$set": {"state": MediaState.DELETING}})
        return done.matched_count == 1

    async def forget(self, media: Media) -> None:
        entry = {"id": media.media_id, "bytes": media.size, "at_ms": media.created_ms}
        with writing():
            # Open again first: whoever finds the entry without its medium gives it back.
            await self._usage.update_one(
                {"_id": media.owner, "open.id": {"$ne": media.media_id}},
                {"$push": {"open": entry}},
            )
            gone = await self._media.delete_one({"_id": media.media_id})
            if gone.deleted_count:
                await self._give_back(media.owner, media.media_id, media.size)

    async def stale(self, now_ms: int, limit: int) -> Sequence[Media]:
        with reading():
            found = await self._media.find({"$or": _stale(now_ms)}).limit(limit).to_list(None)
        return [_media(document) for document in found]

    async def settle(self, before_ms: int, limit: int) -> int:
        with reading():
            rows = await (
                self._usage.find({"open.at_ms": {"$lte": before_ms}}).limit(limit).to_list(None)
            )
            entries = [
                (row["_id"], one)
                for row in rows
                for one in row["open"]
                if one["at_ms"] <= before_ms
            ]
            ids = [one["id"] for _, one in entries]
            states = {
                one["_id"]: one["state"]
                for one in await self._media.find({"_id": {"$in": ids}}, {"state": 1}).to_list(None)
            }
        wrong = 0
        for owner, one in entries:
            state = states.get(one["id"])
            with writing():
                if state is None:
                    wrong += 1
                    await self._give_back(owner, one["id"], one["bytes"])
                elif state == MediaState.COMPLETE:
                    wrong += 1
                    await self._usage.update_one(
                        {"_id": owner}, {"$pull": {"open": {"id": one["id"]}}}
                    )
        return wrong

    async def used_bytes(self, owner: str) -> int:
        with reading():
            row = await self._usage.find_one({"_id": owner})
        return 0 if row is None else int(row["bytes"])

    async def _reserve(self, media: Media, *, quota_bytes: int, max_open: int) -> None:
        has_room = {
            "_id": media.owner,
            "bytes": {"$lte": quota_bytes - media.size},
            f"open.{max_open - 1}": {"$exists": False},
        }
        entry = {"id": media.media_id, "bytes": media.size, "at_ms": media.created_ms}
        taken = {"$inc": {"bytes": media.size}, "$push": {"open": entry}}
        with writing():
            # The row first: an upsert with these conditions would be refused as a duplicate for
            # no room as well as for another pod's first reservation.
            await self._usage.update_one(
                {"_id": media.owner},
                {"$setOnInsert": {"bytes": 0, "open": []}},
                upsert=True,
            )
            done = await self._usage.update_one(has_room, taken)
        if done.matched_count:
            return
        with reading():
            row = await self._usage.find_one({"_id": media.owner})
        if row is not None and len(row["open"]) >= max_open:
            raise WhimbrelError(
                ErrorCode.OVERLOADED,
                f"at most {max_open} unfinished uploads: finish or end one",
                retry_after_seconds=_BUSY_RETRY_SECONDS,
            )
        raise WhimbrelError(
            ErrorCode.BODY_TOO_LARGE,
            f"{media.size:,} bytes more than a user's {quota_bytes:,} bytes of media permit",
        )

    async def _give_back(self, owner: str, media_id: str, size: int) -> None:
        await self._usage.update_one(
            {"_id": owner, "open.id": media_id},
            {"$pull": {"open": {"id": media_id}}, "$inc": {"bytes": -size}},
        )


def _stale(now_ms: int) -> list[Document]:
    return [
        {"state": MediaState.UPLOADING, "expires_ms": {"$lte": now_ms}},
        {"state": MediaState.DELETING},
    ]


def _media(document: Mapping[str, Any]) -> Media:
    fields: Document = {name: document[name] for name in Media.__slots__ if name != "media_id"}
    return Media(media_id=document["_id"], **{**fields, "state": MediaState(fields["state"])})
