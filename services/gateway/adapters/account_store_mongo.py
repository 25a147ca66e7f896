"""`users` in MongoDB.

users   _id (user), name, password_hash?, created_ms, avatar_media_id, settings, scopes,
        search (the id and the words of the name, in lower case)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.gateway.domain.accounts import User
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

COLLECTION: Final = "users"
_ABOVE_ALL: Final = "\U0010ffff"


class MongoAccountStore:
    """Accounts. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._users = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index of the search (does nothing when it is there)."""
        with writing():
            await self._users.create_index("search")

    async def create(self, user: User) -> None:
        """Raises ALREADY_EXISTS when the id is taken; then nothing is changed."""
        document = asdict(user)
        document["_id"] = document.pop("user_id")
        if user.password_hash is None:
            del document["password_hash"]
        document["search"] = _search_words(user.user_id, user.name)
        with writing():
            try:
                await self._users.insert_one(document)
            except DuplicateKeyError:
                raise WhimbrelError(
                    ErrorCode.ALREADY_EXISTS, f"the user id {user.user_id!r} is taken"
                ) from None

    async def find(self, user_id: str) -> User | None:
        """The account, or None when there is none."""
        with reading():
            document = await self._users.find_one({"_id": user_id})
        return None if document is None else _user(document)

    async def get(self, user_id: str) -> User:
        """The account; raises NOT_FOUND."""
        return _known(await self.find(user_id), user_id)

    async def need(self, user_ids: Collection[str]) -> None:
        """Raises NOT_FOUND, naming one, unless each of these users has an account."""
        wanted = set(user_ids)
        with reading():
            found = await self._users.find({"_id": {"$in": list(wanted)}}, {"_id": 1}).to_list(None)
        missing = wanted - {one["_id"] for one in found}
        if missing:
            raise _unknown(min(missing))

    async def change(self, user_id: str, fields: Mapping[str, Any]) -> User:
        """Set these fields of `User`; the account as it is then. Raises NOT_FOUND."""
        changed = dict(fields)
        if "name" in changed:
            changed["search"] = _search_words(user_id, changed["name"])
        if not changed:
            return await self.get(user_id)
        with writing():
            document = await self._users.find_one_and_update(
                {"_id": user_id}, {"$set": changed}, return_document=ReturnDocument.AFTER
            )
        return _known(None if document is None else _user(document), user_id)

    async def search(self, prefix: str, limit: int) -> Sequence[User]:
        """Accounts whose id, or a word of whose name, begins so; in the order of the words."""
        low = prefix.casefold()
        begins = {"search": {"$elemMatch": {"$gte": low, "$lt": low + _ABOVE_ALL}}}
        with reading():
            found = await self._users.find(begins).limit(limit).to_list(None)
        return [_user(document) for document in found]

    async def page(self, after: str, limit: int) -> Sequence[User]:
        """The accounts that follow this id ("" for the first), by id."""
        with reading():
            found = await (
                self._users.find({"_id": {"$gt": after}}).sort("_id").limit(limit).to_list(None)
            )
        return [_user(document) for document in found]


def _search_words(user_id: str, name: str) -> list[str]:
    whole = name.casefold()
    return list(dict.fromkeys([user_id.casefold(), whole, *whole.split()]))


def _user(document: Mapping[str, Any]) -> User:
    return User(
        user_id=document["_id"],
        name=document["name"],
        created_ms=document["created_ms"],
        password_hash=document.get("password_hash"),
        avatar_media_id=document["avatar_media_id"],
        settings=document["settings"],
        scopes=tuple(document["scopes"]),
    )


def _known(user: User | None, user_id: str) -> User:
    if user is None:
        raise _unknown(user_id)
    return user


def _unknown(user_id: str) -> WhimbrelError:
    return WhimbrelError(ErrorCode.NOT_FOUND, f"there is no user {user_id!r}")
