"""How far users have come, and what they have muted: `cursors`, `reads`, `pulls` and `settings`,
as Logic writes them. Reads only.

The names of collections and fields are Logic's; a component test holds both sides together.
"""

from __future__ import annotations

from collections.abc import Iterable

from pymongo.errors import PyMongoError

from services.push.domain.sifting import Marks, Placed
from whimbrel.core.errors import unavailable
from whimbrel.runtime.stores import Database


class MongoMarkStore:
    """The port MarkStore: four queries for a batch of jobs."""

    def __init__(self, database: Database) -> None:
        self._cursors = database["cursors"]
        # Read or pulled over HTTP: either way there is nobody to wake.
        self._passed = (database["reads"], database["pulls"])
        self._settings = database["settings"]

    async def find(self, placed: Iterable[Placed]) -> Marks:
        pairs = {(one.user, one.conversation) for one in placed}
        if not pairs:
            return Marks()
        cursors: dict[str, int] = {}
        reads: dict[tuple[str, str], int] = {}
        users = sorted({user for user, _ in pairs})
        either = [{"user": user, "conversation": name} for user, name in sorted(pairs)]
        try:
            async for row in self._cursors.find(
                {"user": {"$in": users}}, {"_id": False, "user": True, "cursor": True}
            ):
                cursors[row["user"]] = max(row["cursor"], cursors.get(row["user"], 0))
            for collection in self._passed:
                async for row in collection.find(
                    {"$or": either}, {"_id": False, "user": True, "conversation": True, "seq": True}
                ):
                    pair = row["user"], row["conversation"]
                    reads[pair] = max(row["seq"], reads.get(pair, 0))
            muted = {
                (row["user"], row["conversation"])
                async for row in self._settings.find(
                    {"$or": [{**pair, "muted": True} for pair in either]},
                    {"_id": False, "user": True, "conversation": True},
                )
            }
        except PyMongoError as error:
            raise unavailable("MongoDB does not answer") from error
        return Marks(cursors, reads, muted)
