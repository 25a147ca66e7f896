"""The port MediaViewers on Logic's `messages` and on `users`. Reads only, but for the index that it
needs.

A message stores its participants, and what its recall leaves of it: so who may see a medium is
exactly whoever has a message in the timeline that shows it, from the commit on, and no grant can
be lost in between. On a sharded cluster the question goes to every shard (messages are sharded
by sender); a download can afford that.
"""

from __future__ import annotations

from typing import Final

from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

_FIELD: Final = "attributes.media_id"


class MongoMediaViewers:
    """Call `prepare` once before."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]
        self._users = database["users"]

    async def prepare(self) -> None:
        """Create the index (does nothing when it is there): only messages that show media."""
        with writing():
            await self._messages.create_index(_FIELD, sparse=True)

    async def may_see(self, user_id: str, media_id: str) -> bool:
        shows = {
            _FIELD: media_id,
            "participants": user_id,
            "recalled_by": {"$exists": False},
        }
        with reading():
            return await self._messages.find_one(shows, {"_id": True}) is not None

    async def is_avatar(self, owner: str, media_id: str) -> bool:
        shows = {"_id": owner, "avatar_media_id": media_id}
        with reading():
            return await self._users.find_one(shows, {"_id": True}) is not None
