"""Who reaches whom, whatever they are to each other."""

from __future__ import annotations

import pytest

from services.logic.domain.people import Friendship, Privacy, Relation, pair_of
from services.logic.usecases.reach import Reach
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.conversation_store import MemoryConversationStore
from whimbrel.testing.memory_stores.facts import MemoryPrivacyStore, MemoryRelationStore

FRIENDS = Relation(friendship=Friendship.FRIENDS, version=0)
BLOCKED = Relation(blocked_by=frozenset({"bob"}))


class World:
    """Alice asks about Bob."""

    def __init__(self, *, strangers_may_write: bool) -> None:
        self.relations = MemoryRelationStore()
        self.privacy = MemoryPrivacyStore()
        self.groups = MemoryConversationStore()
        self.reach = Reach(
            self.relations,
            self.privacy,
            self.groups,
            strangers_may_write=strangers_may_write,
        )

    async def outcome(self, caller: str = "alice", user: str = "bob") -> ErrorCode | None:
        try:
            await self.reach.check(caller, user)
        except WhimbrelError as error:
            return error.code
        return None


@pytest.mark.parametrize("deployed", [True, False])
@pytest.mark.parametrize("wished", [True, False, None])
async def test_a_stranger_is_reached_as_the_user_wants_else_as_deployed(
    deployed: bool, wished: bool | None
) -> None:
    world = World(strangers_may_write=deployed)
    await world.privacy.put("bob", Privacy(strangers_may_write=wished))
    may = deployed if wished is None else wished
    assert await world.outcome() is (None if may else ErrorCode.NOT_FRIENDS)


async def test_friends_and_those_with_a_group_in_common_are_reached_always() -> None:
    world = World(strangers_may_write=False)
    await world.groups.create_group("g:1", "carol", ["alice"], "", 1)
    assert await world.outcome() is ErrorCode.NOT_FRIENDS
    assert await world.outcome(user="carol") is None
    await world.relations.replace(pair_of("alice", "bob"), FRIENDS)
    assert await world.outcome() is None


async def test_a_block_goes_before_everything_and_holds_in_both_directions() -> None:
    world = World(strangers_may_write=True)
    await world.groups.create_group("g:1", "alice", ["bob"], "", 1)
    await world.relations.replace(pair_of("alice", "bob"), BLOCKED)
    assert await world.outcome() is ErrorCode.BLOCKED
    assert await world.outcome("bob", "alice") is ErrorCode.BLOCKED


async def test_nobody_asks_about_themselves_or_under_no_name() -> None:
    world = World(strangers_may_write=True)
    assert await world.outcome("bob", "bob") is ErrorCode.INVALID_ARGUMENT
    assert await world.outcome("", "bob") is ErrorCode.INVALID_ARGUMENT
