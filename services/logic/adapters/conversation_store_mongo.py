"""`conversations` in MongoDB: groups, each with its members in one document.

    _id (conversation), name, created_ms, version, members [{user, role, joined_ms,
    muted_until_ms}], announcement, all_muted_until_ms, joining, members_may_invite, link,
    waiting, handled, notices [{request, actor, content, also, at_ms}]

One document, and not a row for each member: a change is one compare-and-set, so of two at once
one is made again from what it finds, and nobody sees half of either. At the limit of 1,000
members with names of 64 characters it has 150 KB.

What sends need of a group is cached with the version of its document, which every call reads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pymongo import ASCENDING

from services.logic.adapters.mongo_bulk import insert_unordered
from services.logic.domain.groups import Group, Joining, Member, Notice, Role, Standing, founded
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

CONVERSATIONS = "conversations"
CONVERSATIONS_PER_READ = 20
"""Conversations whose members one query reads: at 1,000 members each that is 20,000 members."""
CACHED_MEMBERS = 500_000
"""Members remembered per process, of all conversations together: about 50 MB."""


class _Known(NamedTuple):
    version: int
    standing: Standing


class MongoConversationStore:
    """The ports ConversationStore and GroupStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database, *, cached_members: int = CACHED_MEMBERS) -> None:
        self._database = database
        self._conversations = database[CONVERSATIONS]
        self._cached_members = cached_members
        self._cache: OrderedDict[str, _Known] = OrderedDict()
        self._cache_size = 0

    async def prepare(self) -> None:
        """Create the indexes: the groups of a user, and those with something still to be said."""
        with writing():
            await self._conversations.create_index([("members.user", ASCENDING)])
            await self._conversations.create_index(
                [("notices.at_ms", ASCENDING)],
                partialFilterExpression={"notices.at_ms": {"$exists": True}},
            )

    async def create_group(
        self, conversation: str, owner: str, members: Sequence[str], name: str, now_ms: int
    ) -> None:
        with reading():
            if await self._conversations.find_one({"_id": conversation}, {"_id": True}):
                return
        everybody = tuple(dict.fromkeys([owner, *members]))
        group = founded(conversation, everybody, name, now_ms)
        # One that is refused was created before, by this call or by another.
        await insert_unordered(self._database, CONVERSATIONS, [_document(group)])

    async def participants(self, conversations: Iterable[str]) -> dict[str, tuple[str, ...]]:
        standings = await self.standings(conversations)
        return {name: standing.members for name, standing in standings.items()}

    async def standings(self, conversations: Iterable[str]) -> dict[str, Standing]:
        names = list(dict.fromkeys(conversations))
        if not names:
            return {}
        with reading():
            groups = await self._conversations.find(
                {"_id": {"$in": names}}, {"version": True}
            ).to_list(None)
        found: dict[str, Standing] = {}
        changed = []
        for group in groups:
            known = self._cache.get(group["_id"])
            if known is not None and known.version == group["version"]:
                self._cache.move_to_end(group["_id"])
                found[group["_id"]] = known.standing
            else:
                changed.append(group["_id"])
        for start in range(0, len(changed), CONVERSATIONS_PER_READ):
            found |= await self._read(changed[start : start + CONVERSATIONS_PER_READ])
        return {name: standing for name, standing in found.items() if standing.members}

    async def _read(self, names: Sequence[str]) -> dict[str, Standing]:
        fields = {"version": True, "members": True, "all_muted_until_ms": True}
        with reading():
            rows = await self._conversations.find({"_id": {"$in": names}}, fields).to_list(None)
        found = {}
        for row in rows:
            standing = _group({**_BLANK, **row}).standing()
            found[row["_id"]] = standing
            self._remember(row["_id"], _Known(row["version"], standing))
        return found

    def _remember(self, conversation: str, known: _Known) -> None:
        before = self._cache.pop(conversation, None)
        self._cache[conversation] = known
        self._cache_size += len(known.standing.members)
        self._cache_size -= len(before.standing.members) if before else 0
        while self._cache_size > self._cached_members and self._cache:
            _, forgotten = self._cache.popitem(last=False)
            self._cache_size -= len(forgotten.standing.members)

    async def load(self, conversation: str) -> Group | None:
        with reading():
            row = await self._conversations.find_one({"_id": conversation})
        return None if row is None else _group(row)

    async def replace(self, group: Group) -> bool:
        document = _document(group)
        document["version"] = group.version + 1
        with writing():
            done = await self._conversations.replace_one(
                {"_id": group.conversation, "version": group.version}, document
            )
        return bool(done.matched_count)

    async def unsaid(self, before_ms: int, limit: int) -> list[str]:
        with reading():
            cursor = self._conversations.find({"notices.at_ms": {"$lt": before_ms}}, {"_id": True})
            rows = await cursor.limit(limit).to_list(None)
        return [row["_id"] for row in rows]

    async def of_user(self, user: str, after: str, limit: int) -> list[Group]:
        with reading():
            cursor = self._conversations.find({"members.user": user, "_id": {"$gt": after}})
            rows = await cursor.sort("_id", ASCENDING).limit(limit).to_list(None)
        return [_group(row) for row in rows]

    async def share_group(self, one: str, other: str) -> bool:
        both = {"members.user": {"$all": [one, other]}}
        with reading():
            return await self._conversations.find_one(both, {"_id": True}) is not None


_BLANK: Document = {
    "name": "",
    "created_ms": 0,
    "announcement": "",
    "joining": int(Joining.APPROVAL),
    "members_may_invite": True,
    "link": "",
    "waiting": [],
    "handled": [],
    "notices": [],
}


def _document(group: Group) -> Document:
    return {
        "_id": group.conversation,
        "name": group.name,
        "created_ms": group.created_ms,
        "version": group.version,
        "members": [{**one._asdict(), "role": int(one.role)} for one in group.members],
        "announcement": group.announcement,
        "all_muted_until_ms": group.all_muted_until_ms,
        "joining": int(group.joining),
        "members_may_invite": group.members_may_invite,
        "link": group.link,
        "waiting": list(group.waiting),
        "handled": list(group.handled),
        "notices": [{**one._asdict(), "also": list(one.also)} for one in group.notices],
    }


def _group(row: Mapping[str, Any]) -> Group:
    return Group(
        conversation=row["_id"],
        name=row["name"],
        created_ms=int(row["created_ms"]),
        version=row["version"],
        members=tuple(
            Member(
                one["user"], Role(one["role"]), int(one["joined_ms"]), int(one["muted_until_ms"])
            )
            for one in row["members"]
        ),
        announcement=row["announcement"],
        all_muted_until_ms=int(row["all_muted_until_ms"]),
        joining=Joining(row["joining"]),
        members_may_invite=row["members_may_invite"],
        link=row["link"],
        waiting=tuple(row["waiting"]),
        handled=tuple(row["handled"]),
        notices=tuple(
            Notice(
                one["request"],
                one["actor"],
                bytes(one["content"]),
                tuple(one["also"]),
                int(one["at_ms"]),
            )
            for one in row["notices"]
        ),
    )
