"""`conversations` without MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from services.logic.domain.groups import Group, Member, Role, Standing, founded
from whimbrel.testing.memory_stores.faults import Faults, Pause


class MemoryConversationStore:
    """The ports ConversationStore and GroupStore; a test may write `groups` to change members.
    Operations for `faults`: create_group, participants (of both reads of many), load, replace."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self.groups: dict[str, tuple[str, ...]] = {}
        self._documents: dict[str, Group] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    async def create_group(
        self, conversation: str, owner: str, members: Sequence[str], name: str, now_ms: int
    ) -> None:
        async with self.faults.around("create_group"):
            if conversation not in self.groups:
                everybody = tuple(dict.fromkeys([owner, *members]))
                self._keep(founded(conversation, everybody, name, now_ms))

    async def participants(self, conversations: Iterable[str]) -> dict[str, tuple[str, ...]]:
        standings = await self.standings(conversations)
        return {name: standing.members for name, standing in standings.items()}

    async def standings(self, conversations: Iterable[str]) -> dict[str, Standing]:
        async with self.faults.around("participants"):
            found = {name: self._group(name) for name in conversations if self.groups.get(name)}
            return {name: group.standing() for name, group in found.items()}

    async def load(self, conversation: str) -> Group | None:
        async with self.faults.around("load"):
            return self._group(conversation) if conversation in self.groups else None

    async def replace(self, group: Group) -> bool:
        async with self.faults.around("replace"):
            if self._group(group.conversation).version != group.version:
                return False
            self._keep(replace(group, version=group.version + 1))
            return True

    async def unsaid(self, before_ms: int, limit: int) -> list[str]:
        return [
            name
            for name, group in self._documents.items()
            if any(notice.at_ms < before_ms for notice in group.notices)
        ][:limit]

    async def of_user(self, user: str, after: str, limit: int) -> list[Group]:
        names = sorted(name for name, users in self.groups.items() if user in users)
        return [self._group(name) for name in names if name > after][:limit]

    async def share_group(self, one: str, other: str) -> bool:
        return any({one, other} <= set(users) for users in self.groups.values())

    def _keep(self, group: Group) -> None:
        self._documents[group.conversation] = group
        self.groups[group.conversation] = tuple(one.user for one in group.members)

    def _group(self, conversation: str) -> Group:
        users = self.groups[conversation]
        group = self._documents.get(conversation)
        if group is None:
            return founded(conversation, users, "", 0)
        if users == tuple(one.user for one in group.members):
            return group
        # The test has written `groups`: who stayed is who they were.
        known = {one.user: one for one in group.members}
        members = [known.get(user, Member(user)) for user in users]
        if members and not any(one.role is Role.OWNER for one in members):
            members[0] = members[0]._replace(role=Role.OWNER)
        return replace(group, members=tuple(members))
