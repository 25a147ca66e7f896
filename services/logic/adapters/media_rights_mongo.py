"""The port MediaRights: `media`, which the gateway writes, and `messages`. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

_SHOWN: Final = "attributes.media_id"


class MongoMediaRights:
    """One query for what the senders own, and one for the rest if there is any. Call `prepare`
    once before."""

    def __init__(self, database: Database) -> None:
        self._media = database["media"]
        self._messages = database["messages"]

    async def prepare(self) -> None:
        """Create the index (does nothing when it is there): only messages that show media."""
        with writing():
            await self._messages.create_index(_SHOWN, sparse=True)

    async def look(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        ids = list({media_id for _, media_id in wanted})
        with reading():
            rows = await self._media.find({"_id": {"$in": ids}}, {"owner": 1, "state": 1}).to_list(
                None
            )
        known = {row["_id"]: row for row in rows if row["state"] != "deleting"}
        found = {
            (user, media_id): known[media_id]["state"] == "complete"
            for user, media_id in wanted
            if media_id in known and known[media_id]["owner"] == user
        }
        others = [one for one in wanted if one not in found and one[1] in known]
        if others:
            found |= dict.fromkeys(await self._shown(others), True)
        return found

    async def _shown(self, wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those that a message has shown to the user, which was not taken back."""
        asked = [{_SHOWN: media_id, "participants": user} for user, media_id in wanted]
        users = {user for user, _ in wanted}
        with reading():
            rows = await self._messages.find(
                {"$or": asked, "recalled_by": {"$exists": False}}, {_SHOWN: 1, "participants": 1}
            ).to_list(None)
        seen = {
            (user, row["attributes"]["media_id"])
            for row in rows
            for user in users.intersection(row["participants"])
        }
        return seen.intersection(wanted)
