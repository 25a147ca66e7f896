"""`audit` in MongoDB: every act of an administrator. Nothing here changes or removes an entry.

audit   _id (grows with time), at_ms, admin, act, target, detail
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bson import ObjectId
from pymongo import DESCENDING

from services.gateway.domain.accounts import AuditEntry
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION: Final = "audit"


class MongoAuditLog:
    """The log."""

    def __init__(self, database: Database) -> None:
        self._audit = database[COLLECTION]

    async def add(
        self, admin: str, act: str, target: str, detail: Mapping[str, str], now_ms: int
    ) -> None:
        """Write an entry. The caller does so before the act: none is done that is not written."""
        with writing():
            await self._audit.insert_one(
                {
                    "at_ms": now_ms,
                    "admin": admin,
                    "act": act,
                    "target": target,
                    "detail": dict(detail),
                }
            )

    async def page(self, before: str | None, limit: int) -> list[AuditEntry]:
        """The entries before this one (24 hex digits), the newest first."""
        older = {} if before is None else {"_id": {"$lt": ObjectId(before)}}
        with reading():
            found = await self._audit.find(older).sort("_id", DESCENDING).limit(limit).to_list(None)
        return [
            AuditEntry(
                str(one["_id"]),
                one["at_ms"],
                one["admin"],
                one["act"],
                one["target"],
                one["detail"],
            )
            for one in found
        ]
