"""Who is behind: `cursors` page by page, each user's highest against the `timelines`; whom their
messages mean, in `messages`. Reads only.

A timeline is dense, so a user is behind when the next seq exists; a few more are looked at, for
a hole that a crash left and nobody has filled yet. Users without any cursor have no device that
could be woken (Logic stores one when a device attaches for the first time).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import PyMongoError

from services.push.domain.sifting import newest_of_each_conversation
from services.push.ports import BacklogPage
from whimbrel.core.errors import unavailable
from whimbrel.runtime.push_stream import StreamJob
from whimbrel.runtime.stores import Database

HOLE_TOLERANCE = 16
"""Seqs above the cursor that are looked at to see whether there is more."""

ENTRIES_PER_USER = 100
CONVERSATIONS_PER_USER = 10
"""At most so many jobs for one user: the application fetches everything at the first wake."""


class MongoBacklog:
    """The port Backlog. A page costs three queries, and one for each user who is behind."""

    def __init__(self, database: Database, *, page_devices: int = 500) -> None:
        """`page_devices`: cursors read for a page; a user has one for each device."""
        self._cursors = database["cursors"]
        self._timelines = database["timelines"]
        self._messages = database["messages"]
        self._page_devices = page_devices

    async def page(self, after: str) -> BacklogPage:
        try:
            cursors, last = await self._highest_cursors(after)
            jobs: list[StreamJob] = []
            for user in await self._behind(cursors):
                jobs += await self._jobs(user, cursors[user])
            jobs = await self._with_mentions(jobs)
        except PyMongoError as error:
            raise unavailable("MongoDB does not answer") from error
        return BacklogPage(jobs, last)

    async def _with_mentions(self, jobs: list[StreamJob]) -> list[StreamJob]:
        if not jobs:
            return jobs
        meant: dict[int, dict[str, Any]] = {}
        # By sender too, by which messages are sharded.
        named = {
            "_id": {"$in": list({job.message_id for job in jobs})},
            "sender": {"$in": list({job.sender for job in jobs})},
            "$or": [
                {"attributes.mentions": {"$in": list({job.user for job in jobs})}},
                {"attributes.mentions_all": True},
            ],
        }
        async for row in self._messages.find(named, {"attributes": True}):
            meant[int(row["_id"])] = row["attributes"]
        return [job._replace(mentions_user=_means(meant.get(job.message_id), job)) for job in jobs]

    async def _highest_cursors(self, after: str) -> tuple[dict[str, int], str | None]:
        """The highest cursor of each user of the page, and where the next page goes on."""
        rows: list[dict[str, Any]] = (
            await self._cursors.find(
                {"user": {"$gt": after}}, {"_id": False, "user": True, "cursor": True}
            )
            .sort("user", ASCENDING)
            .limit(self._page_devices)
            .to_list()
        )
        highest: dict[str, int] = {}
        for row in rows:
            highest[row["user"]] = max(row["cursor"], highest.get(row["user"], 0))
        if len(rows) < self._page_devices:
            return highest, None
        # The last user's other devices may be on the next page: leave that user to it.
        if len(highest) > 1:
            del highest[rows[-1]["user"]]
        return highest, next(reversed(highest))

    async def _behind(self, cursors: Mapping[str, int]) -> list[str]:
        if not cursors:
            return []
        ranges = [
            {"user": user, "seq": {"$gt": cursor, "$lte": cursor + HOLE_TOLERANCE}}
            for user, cursor in cursors.items()
        ]
        found = self._timelines.find({"$or": ranges}, {"_id": False, "user": True})
        return sorted({row["user"] async for row in found})

    async def _jobs(self, user: str, cursor: int) -> list[StreamJob]:
        """The user's newest messages of others above the cursor, one for each conversation."""
        rows = (
            self._timelines.find({"user": user, "seq": {"$gt": cursor}})
            .sort("seq", DESCENDING)
            .limit(ENTRIES_PER_USER)
        )
        jobs = [
            StreamJob(user, row["conversation"], row["sender"], int(row["message_id"]), row["seq"])
            async for row in rows
            if row.get("message_id") is not None and row["sender"] != user
        ]
        return newest_of_each_conversation(jobs, CONVERSATIONS_PER_USER)


def _means(attributes: Mapping[str, Any] | None, job: StreamJob) -> bool:
    if attributes is None:
        return False
    return bool(attributes.get("mentions_all")) or job.user in attributes.get("mentions", ())
