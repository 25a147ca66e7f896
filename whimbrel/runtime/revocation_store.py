"""Where revocations are kept: MongoDB, which is the truth. Written by the gateway, read by every
role that admits tokens.

    revocations   _id (what is revoked), user, device, login, but_login, at_ms, until_ms,
                  changed_at (by the server), expires_at

A write may become visible after one with a later time, and clocks of servers differ by a little,
so the last 10 s are always looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from pymongo import ASCENDING

from whimbrel.core.revocations import Revocation
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION: Final = "revocations"
PAGE: Final = 1_000
_OVERLAP_MS: Final = 10_000


class RevocationPage(NamedTuple):
    """What changed since a mark."""

    revocations: list[Revocation]
    mark_ms: int
    """What to look with next."""
    has_more: bool


class RevocationStore(Protocol):
    """The port. Both raise UNAVAILABLE."""

    async def add(self, revocations: Sequence[Revocation]) -> None:
        """Keep them; a later one of the same key takes the place of an earlier one. Durable when
        it returns; can be repeated."""

    async def since(self, mark_ms: int) -> RevocationPage:
        """Those that were added since the mark, 0 for all that are kept, the oldest first. Some
        may come again."""


class MongoRevocationStore:
    """See RevocationStore. Call `prepare` once before the first use."""

    def __init__(self, database: Database, *, page: int = PAGE) -> None:
        self._revocations = database[COLLECTION]
        self._page = page

    async def prepare(self) -> None:
        """Create the indexes (does nothing when they are there)."""
        with writing():
            await self._revocations.create_index([("changed_at", ASCENDING)])
            await self._revocations.create_index("expires_at", expireAfterSeconds=0)

    async def add(self, revocations: Sequence[Revocation]) -> None:
        with writing():
            for one in revocations:
                await self._revocations.update_one(
                    {"_id": one.key},
                    {
                        "$set": {
                            "user": one.user_id,
                            "device": one.device_id,
                            "login": one.login_id,
                            "but_login": one.but_login_id,
                            "at_ms": round(one.at * 1000),
                            "until_ms": round(one.until * 1000),
                            "expires_at": datetime.fromtimestamp(one.until, UTC),
                        },
                        # By the server itself, so that all writers have one clock.
                        "$currentDate": {"changed_at": True},
                    },
                    upsert=True,
                )

    async def since(self, mark_ms: int) -> RevocationPage:
        wanted = {"changed_at": {"$gte": _EPOCH + timedelta(milliseconds=mark_ms)}}
        with reading():
            cursor = self._revocations.find(wanted).sort("changed_at", ASCENDING)
            rows = await cursor.limit(self._page).to_list(None)
        newest_ms = _ms(rows[-1]["changed_at"]) if rows else mark_ms
        has_more = len(rows) == self._page and newest_ms > mark_ms
        if not has_more:
            newest_ms = max(mark_ms, newest_ms - _OVERLAP_MS)
        return RevocationPage([_revocation(row) for row in rows], newest_ms, has_more)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _ms(date: datetime) -> int:
    return round((date.replace(tzinfo=UTC) - _EPOCH) / timedelta(milliseconds=1))


def _revocation(row: dict[str, Any]) -> Revocation:
    return Revocation(
        user_id=row["user"],
        at=row["at_ms"] / 1000,
        until=row["until_ms"] / 1000,
        device_id=row["device"],
        login_id=row["login"],
        but_login_id=row["but_login"],
    )
