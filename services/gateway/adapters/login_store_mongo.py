"""`refresh_tokens` in MongoDB: one document for each login, with the hash of its newest token.

    refresh_tokens   _id (login), user, device, created_ms, current (hash), expires_at

One document and not one for each token: rotation and revocation are each one atomic step, so no
token can be born into a login that is being revoked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING

from services.gateway.domain.accounts import Login
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION: Final = "refresh_tokens"
MAX_LOGINS: Final = 64
"""Of one user; beyond it the oldest are revoked."""


class MongoLoginStore:
    """Logins. Call `prepare` once before the first write. Times are seconds since the epoch."""

    def __init__(self, database: Database) -> None:
        self._logins = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the indexes (does nothing when they are there)."""
        with writing():
            await self._logins.create_index([("user", ASCENDING), ("created_ms", DESCENDING)])
            # MongoDB removes them within a minute; `rotate` looks at the time itself.
            await self._logins.create_index("expires_at", expireAfterSeconds=0)

    async def add(self, login: Login, current: str, expires_at: float) -> None:
        """A new login. It takes the place of one of the same device, and of the oldest of too
        many."""
        with writing():
            await self._logins.insert_one(
                {
                    "_id": login.login_id,
                    "user": login.user_id,
                    "device": login.device_id,
                    "created_ms": login.created_ms,
                    "current": current,
                    "expires_at": _date(expires_at),
                }
            )
            if login.device_id:
                same = {"user": login.user_id, "device": login.device_id}
                await self._logins.delete_many({**same, "_id": {"$ne": login.login_id}})
            newest_first = self._logins.find({"user": login.user_id}, {"_id": True}).sort(
                [("created_ms", DESCENDING), ("_id", ASCENDING)]
            )
            surplus = await newest_first.skip(MAX_LOGINS).limit(MAX_LOGINS).to_list(None)
            if surplus:
                await self._logins.delete_many({"_id": {"$in": [one["_id"] for one in surplus]}})

    async def rotate(
        self, login_id: str, presented: str, successor: str, *, now: float, expires_at: float
    ) -> Login | None:
        """Replace the hash of its newest token by that of the next one, if the one presented is
        the newest and has not expired; None, and nothing changes, when it is not."""
        with writing():
            document = await self._logins.find_one_and_update(
                {"_id": login_id, "current": presented, "expires_at": {"$gt": _date(now)}},
                {"$set": {"current": successor, "expires_at": _date(expires_at)}},
            )
        return None if document is None else _login(document)

    async def list(self, user_id: str) -> list[Login]:
        """Those of a user, the newest first."""
        with reading():
            found = await (
                self._logins.find({"user": user_id})
                .sort("created_ms", DESCENDING)
                .limit(MAX_LOGINS)
                .to_list(None)
            )
        return [_login(document) for document in found]

    async def revoke(self, login_id: str) -> Login | None:
        """End one; None when it had ended before."""
        with writing():
            document = await self._logins.find_one_and_delete({"_id": login_id})
        return None if document is None else _login(document)

    async def revoke_all(self, user_id: str, *, but: str = "") -> None:
        """End those of a user, all but one if that is named."""
        with writing():
            await self._logins.delete_many({"user": user_id, "_id": {"$ne": but}})

    async def revoke_device(self, user_id: str, device_id: str) -> None:
        """End what a device of a user has."""
        with writing():
            await self._logins.delete_many({"user": user_id, "device": device_id})


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _login(document: dict[str, Any]) -> Login:
    return Login(document["_id"], document["user"], document["device"], document["created_ms"])
