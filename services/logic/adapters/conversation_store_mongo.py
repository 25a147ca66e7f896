"""`conversations` and `members` in MongoDB: groups.

    conversations   _id (conversation), owner, name, created_ms, founding, version
    members         _id, conversation, founding, user, ordinal, joined_ms

Members are cached with the version of their conversation, which every call reads. So whoever
changes the members of a conversation writes the rows first and raises the version afterwards.

Creating writes the members first and the conversation last: a conversation that exists has all
its members. `founding` names the list of members it was created with: of two creations with
different lists (the first may have died half-way) only one is the group, and the rows of the
other are nobody's members.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from pymongo import ASCENDING

from services.logic.adapters.mongo_bulk import insert_unordered
from services.logic.adapters.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database

CONVERSATIONS = "conversations"
MEMBERS = "members"
CONVERSATIONS_PER_READ = 20
"""Conversations whose members one query reads: at 1,000 members each that is 20,000 rows."""
CACHED_MEMBERS = 500_000
"""Members remembered per process, of all conversations together: about 50 MB."""


class _Known(NamedTuple):
    version: int
    members: tuple[str, ...]


class MongoConversationStore:
    """The port ConversationStore. Call `prepare` once before the first write."""

    def __init__(self, database: Database, *, cached_members: int = CACHED_MEMBERS) -> None:
        self._database = database
        self._conversations = database[CONVERSATIONS]
        self._members = database[MEMBERS]
        self._cached_members = cached_members
        self._cache: OrderedDict[str, _Known] = OrderedDict()
        self._cache_size = 0

    async def prepare(self) -> None:
        """Create the index that lists members in order (does nothing when it is there)."""
        with writing():
            await self._members.create_index(
                [("conversation", ASCENDING), ("founding", ASCENDING), ("ordinal", ASCENDING)]
            )

    async def create_group(
        self, conversation: str, owner: str, members: Sequence[str], name: str, now_ms: int
    ) -> None:
        with reading():
            if await self._conversations.find_one({"_id": conversation}, {"_id": True}):
                return
        everybody = list(dict.fromkeys([owner, *members]))
        founding = blake2b("/".join(everybody).encode(), digest_size=8).hexdigest()
        rows = [
            {
                "_id": f"{conversation}/{founding}/{user}",
                "conversation": conversation,
                "founding": founding,
                "user": user,
                "ordinal": ordinal,
                "joined_ms": now_ms,
            }
            for ordinal, user in enumerate(everybody)
        ]
        # What is refused is there already: written by an attempt before this one.
        await insert_unordered(self._database, MEMBERS, rows)
        group = {
            "_id": conversation,
            "owner": owner,
            "name": name,
            "created_ms": now_ms,
            "founding": founding,
            "version": 1,
        }
        await insert_unordered(self._database, CONVERSATIONS, [group])

    async def participants(self, conversations: Iterable[str]) -> dict[str, tuple[str, ...]]:
        names = list(dict.fromkeys(conversations))
        if not names:
            return {}
        with reading():
            groups = await self._conversations.find(
                {"_id": {"$in": names}}, {"version": True, "founding": True}
            ).to_list(None)
        found: dict[str, tuple[str, ...]] = {}
        changed = []
        for group in groups:
            known = self._cache.get(group["_id"])
            if known is not None and known.version == group["version"]:
                self._cache.move_to_end(group["_id"])
                found[group["_id"]] = known.members
            else:
                changed.append(group)
        for start in range(0, len(changed), CONVERSATIONS_PER_READ):
            found |= await self._read_members(changed[start : start + CONVERSATIONS_PER_READ])
        return found

    async def _read_members(
        self, groups: Sequence[Mapping[str, Any]]
    ) -> dict[str, tuple[str, ...]]:
        either = [{"conversation": one["_id"], "founding": one["founding"]} for one in groups]
        fields = {"_id": False, "conversation": True, "user": True, "ordinal": True}
        with reading():
            rows = await self._members.find({"$or": either}, fields).to_list(None)
        ordered: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for row in rows:
            ordered[row["conversation"]].append((row["ordinal"], row["user"]))
        found = {}
        for group in groups:
            members = tuple(user for _, user in sorted(ordered[group["_id"]]))
            found[group["_id"]] = members
            self._remember(group["_id"], _Known(group["version"], members))
        return found

    def _remember(self, conversation: str, known: _Known) -> None:
        before = self._cache.pop(conversation, None)
        self._cache[conversation] = known
        self._cache_size += len(known.members) - (len(before.members) if before else 0)
        while self._cache_size > self._cached_members and self._cache:
            _, forgotten = self._cache.popitem(last=False)
            self._cache_size -= len(forgotten.members)
