"""`timelines` in MongoDB: one dense sequence per user. Shards by user.

    user, seq, message_id, conversation, sender, late (only when true)
    user, seq, kind: "void"                                          a seq that was never used

The unique index (user, seq) is the timeline. The unique index (user, conversation, message_id),
over entries that have a message_id, finds what stands already and serves history (rule 26).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from bson import Int64
from pymongo import ASCENDING, DESCENDING

from services.logic.adapters.mongo_bulk import insert_unordered
from services.logic.domain.model import Placement, TimelineEntry
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

COLLECTION = "timelines"
LOOK_UP_CHUNK = 100
"""Branches of an $or in one query."""
IDS_PER_BRANCH = 1000
HEADS_AT_ONCE = 16
"""Queries for heads under way at a time: each takes one of the driver's connections."""
AHEAD_ROWS = 1000
"""Rows that one query for what is ahead may answer with, 10 for each of its users."""
BY_SEQ = "user_1_seq_1"
SEQ_ALONE = {"_id": False, "seq": True}
IN_ONE_TRIP = 10_000
"""Rows that may come with the first answer. Without it the server keeps back what is beyond 101,
and asking for the rest costs as much as the question."""
VOID = "void"


class MongoTimelineStore:
    """The port TimelineStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._timelines = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the two unique indexes (does nothing when they are there)."""
        with writing():
            await self._timelines.create_index(
                [("user", ASCENDING), ("seq", ASCENDING)], unique=True
            )
            await self._timelines.create_index(
                [("user", ASCENDING), ("conversation", ASCENDING), ("message_id", ASCENDING)],
                unique=True,
                partialFilterExpression={"message_id": {"$exists": True}},
            )

    async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
        documents = [document_of(entry) for entry in entries]
        return await insert_unordered(self._database, COLLECTION, documents)

    async def find_placed(self, placements: Iterable[Placement]) -> dict[Placement, int]:
        by_conversation: dict[tuple[str, str], list[Int64]] = defaultdict(list)
        for user, conversation, message_id in placements:
            by_conversation[user, conversation].append(Int64(message_id))
        branches = [
            {
                "user": user,
                "conversation": conversation,
                "message_id": {"$in": ids[start : start + IDS_PER_BRANCH]},
            }
            for (user, conversation), ids in by_conversation.items()
            for start in range(0, len(ids), IDS_PER_BRANCH)
        ]
        fields = {"_id": False, "user": True, "conversation": True, "message_id": True, "seq": True}
        placed: dict[Placement, int] = {}
        for start in range(0, len(branches), LOOK_UP_CHUNK):
            either = branches[start : start + LOOK_UP_CHUNK]
            with reading():
                cursor = self._timelines.find({"$or": either}, fields)
                rows = await cursor.batch_size(IN_ONE_TRIP).to_list(None)
            for row in rows:
                place = Placement(row["user"], row["conversation"], int(row["message_id"]))
                placed[place] = row["seq"]
        return placed

    async def heads(self, users: Iterable[str]) -> dict[str, int]:
        heads = dict.fromkeys(users, 0)
        waiting = iter(list(heads))
        readers = min(HEADS_AT_ONCE, len(heads))
        # All of them end by themselves, at the latest at the driver's deadline. A TaskGroup would
        # cancel the others when one fails, and with Python 3.11 several PyMongo calls that are
        # cancelled while they look for a server leave its lock taken for ever.
        ends = await asyncio.gather(
            *(self._read_heads(waiting, heads) for _ in range(readers)), return_exceptions=True
        )
        for end in ends:
            if end is not None:
                raise end
        return heads

    async def _read_heads(self, waiting: Iterator[str], heads: dict[str, int]) -> None:
        """Take the next user until there is none. One row each, from the index alone."""
        for user in waiting:
            with reading():
                row = await self._timelines.find_one(
                    {"user": user}, SEQ_ALONE, sort=[("seq", DESCENDING)]
                )
            if row is not None:
                heads[user] = row["seq"]

    async def ahead(self, positions: Mapping[str, int]) -> dict[str, int]:
        users = list(positions)
        ahead: dict[str, int] = {}
        for start in range(0, len(users), LOOK_UP_CHUNK):
            chunk = users[start : start + LOOK_UP_CHUNK]
            either = [{"user": user, "seq": {"$gte": positions[user]}} for user in chunk]
            with reading():
                cursor = self._timelines.find(
                    {"$or": either}, {"_id": False, "user": True, "seq": True}
                )
                rows = await cursor.hint(BY_SEQ).limit(AHEAD_ROWS).to_list(None)
            for row in rows:
                user, seq = row["user"], row["seq"]
                ahead[user] = max(seq, ahead.get(user, 0))
            if len(rows) == AHEAD_ROWS:
                # Some of them are far behind and took all the rows: ask for the rest by name.
                heads = await self.heads(user for user in chunk if user not in ahead)
                ahead |= {
                    user: head for user, head in heads.items() if head and head >= positions[user]
                }
        return ahead

    async def tails(
        self, positions: Mapping[str, int], *, at_most: int
    ) -> dict[str, list[TimelineEntry]] | None:
        tails: dict[str, list[TimelineEntry]] = {user: [] for user in positions}
        users = list(positions)
        room = at_most
        for start in range(0, len(users), LOOK_UP_CHUNK):
            chunk = users[start : start + LOOK_UP_CHUNK]
            either = [{"user": user, "seq": {"$gte": positions[user]}} for user in chunk]
            with reading():
                # With the index named the server plans no branch; the size of a batch saves a
                # second trip, which the server asks for after 101 rows.
                cursor = self._timelines.find({"$or": either}, {"_id": False}).hint(BY_SEQ)
                rows = await cursor.limit(room + 1).batch_size(room + 1).to_list(None)
            room -= len(rows)
            if room < 0:
                return None
            for row in sorted(rows, key=itemgetter("seq")):
                tails[row["user"]].append(_entry(row["user"], row))
        return tails

    async def read(self, user: str, from_seq: int, limit: int) -> list[TimelineEntry]:
        if limit <= 0:  # MongoDB would take 0 for "all"
            return []
        with reading():
            cursor = self._timelines.find(
                {"user": user, "seq": {"$gte": from_seq}}, {"_id": False, "user": False}
            )
            cursor = cursor.sort("seq", ASCENDING).limit(limit).batch_size(limit + 1)
            rows = await cursor.to_list(None)
        return [_entry(user, row) for row in rows]

    async def read_seqs(self, user: str, from_seq: int, to_seq: int) -> list[int]:
        with reading():
            cursor = self._timelines.find(
                {"user": user, "seq": {"$gte": from_seq, "$lte": to_seq}}, SEQ_ALONE
            )
            rows = await cursor.sort("seq", ASCENDING).to_list(None)
        return [row["seq"] for row in rows]


def document_of(entry: TimelineEntry) -> Document:
    """As `timelines` keeps it."""
    user, seq, message_id, conversation, sender, late, _ = entry
    if message_id is None:
        return {"user": user, "seq": seq, "kind": VOID}
    document: Document = {
        "user": user,
        "seq": seq,
        "message_id": Int64(message_id),
        "conversation": conversation,
        "sender": sender,
    }
    if late:
        document["late"] = True
    return document


def _entry(user: str, row: Mapping[str, Any]) -> TimelineEntry:
    """The entry of a row. One that something else wrote, or that has lost a part, must not cost
    its readers more than itself."""
    message_id = row.get("message_id")
    seq: int = row["seq"]
    if message_id is None:
        return TimelineEntry(user, seq, is_damaged=row.get("kind") != VOID)
    try:
        conversation, sender = row["conversation"], row["sender"]
        if isinstance(conversation, str) and isinstance(sender, str):
            late = row.get("late", False)
            return TimelineEntry(user, seq, int(message_id), conversation, sender, late)
    except (LookupError, TypeError, ValueError):
        pass
    return TimelineEntry(user, seq, is_damaged=True)
