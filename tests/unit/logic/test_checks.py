"""What the chain refuses, in its order, and what of a message it leaves alone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import cast

import pytest

from services.logic.domain.groups import Member
from services.logic.domain.model import Answer, ClientKey, Draft
from services.logic.domain.people import (
    STRANGERS,
    Friendship,
    Pair,
    Privacy,
    Relation,
    blocked,
)
from services.logic.domain.risk import Risk
from services.logic.domain.words import Action
from services.logic.parts import LogicParts
from services.logic.settings import CheckSettings
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.core.attributes import Attributes
from whimbrel.core.errors import WhimbrelError
from whimbrel.testing.memory_stores.facts import MemoryRelationStore
from whimbrel.testing.memory_stores.moderation import MemoryBanList, MemoryCaseStore

PAIR = Pair("alice", "bob")
FRIENDS = Relation(Friendship.FRIENDS)


def bans(world: World) -> MemoryBanList:
    return cast(MemoryBanList, world.people.bans)


async def load_words(logic: LogicParts, words: Mapping[str, Action]) -> None:
    await logic.people.moderate.replace_words(words)
    await logic.people.watched.words.load()


async def stored_body(world: World, one: Draft) -> bytes:
    return (await world.messages.find_by_client_keys([one.key]))[one.key].body


@pytest.mark.parametrize("seconds", [None, 60])
async def test_a_banned_user_sends_nothing_until_the_ban_ends(seconds: int | None) -> None:
    world = World()
    until = None if seconds is None else world.clock.wall_ms() + seconds * 1000
    bans(world).ban("alice", until)
    async with running(world.logic()) as logic:
        refused = await send(logic, draft())
        assert code_of(refused) == "BANNED"
        assert isinstance(refused, WhimbrelError)
        assert refused.retry_after_seconds is None, "the SDK would send it when the ban ends"
        world.clock.now += 61
        bans(world).ban("alice", until if seconds else 0)
        assert isinstance(await send(logic, draft()), Answer)


async def test_a_user_at_risk_waits_until_the_points_have_decayed() -> None:
    world = World()
    await world.people.risks.replace("alice", Risk(150.0, world.clock.wall_ms()))
    async with running(world.logic()) as logic:
        refused = await send(logic, draft())
        assert code_of(refused) == "AT_RISK"
        assert isinstance(refused, WhimbrelError)
        assert refused.retry_after_seconds is None
        world.clock.now += 86_400
        assert isinstance(await send(logic, draft()), Answer)


async def test_who_sends_far_too_fast_is_at_risk_and_the_others_are_not() -> None:
    world = World()
    async with running(world.logic(checking=CheckSettings(risky_sends_per_second=0.1))) as logic:
        codes = [
            await send(logic, draft(client_id=f"c{number}", sender=sender))
            for number in range(12)
            for sender in ("alice", "bob")[: 1 + (number == 0)]
        ]
    refused = [code_of(one) for one in codes if isinstance(one, WhimbrelError)]
    assert refused
    assert set(refused) == {"AT_RISK"}
    assert all(
        0 < (one.retry_after_seconds or 0) <= 60 for one in codes if isinstance(one, WhimbrelError)
    )
    assert isinstance(codes[1], Answer), "bob sends once"


async def test_a_muted_member_and_a_muted_group_are_silent_until_then() -> None:
    world = World()
    await world.conversations.create_group("g:x", "alice", ["bob", "carol"], "", 0)
    group = await world.conversations.load("g:x")
    assert group is not None
    until = world.clock.wall_ms() + 5_000
    muted = (*group.members[:2], Member("carol", muted_until_ms=until))
    assert await world.conversations.replace(replace(group, members=muted))
    async with running(world.logic()) as logic:
        assert code_of(await send(logic, draft(to="g:x", sender="carol"))) == "MUTED"
        assert isinstance(await send(logic, draft(to="g:x", sender="bob")), Answer)
        group = await world.conversations.load("g:x")
        assert group is not None
        assert await world.conversations.replace(replace(group, all_muted_until_ms=until))
        assert code_of(await send(logic, draft(to="g:x", sender="bob", client_id="c2"))) == "MUTED"
        assert isinstance(await send(logic, draft(to="g:x")), Answer), "the owner speaks"
        world.clock.now += 6
        assert isinstance(await send(logic, draft(to="g:x", sender="carol")), Answer)


async def test_a_block_stops_both_directions_and_no_group() -> None:
    world = World()
    await world.conversations.create_group("g:x", "alice", ["bob"], "", 0)
    await world.people.relations.replace(PAIR, blocked(STRANGERS, "bob", 0))
    async with running(world.logic()) as logic:
        for sender in PAIR:
            assert code_of(await send(logic, draft(sender=sender))) == "BLOCKED"
        assert isinstance(await send(logic, draft(to="g:x")), Answer)


@pytest.mark.parametrize("deployed", [True, False])
@pytest.mark.parametrize("permits", [None, True, False])
async def test_strangers_write_where_the_user_or_else_the_deployment_lets_them(
    deployed: bool, permits: bool | None
) -> None:
    world = World()
    await world.people.privacy.put("bob", Privacy(strangers_may_write=permits))
    checking = CheckSettings(strangers_may_write=deployed)
    async with running(world.logic(checking=checking)) as logic:
        outcome = await send(logic, draft())
        allowed = deployed if permits is None else permits
        assert isinstance(outcome, Answer) is allowed
        if not allowed:
            assert code_of(outcome) == "NOT_FRIENDS"
            await world.people.relations.replace(PAIR, FRIENDS)
            world.clock.now += 3
            assert isinstance(await send(logic, draft()), Answer)
        assert isinstance(await send(logic, draft(to="d:alice:alice", client_id="note")), Answer)


async def test_a_rejected_word_stores_nothing_and_moderators_see_it() -> None:
    world = World()
    async with running(world.logic()) as logic:
        await load_words(logic, {"badger": Action.REJECT})
        flagging = asyncio.create_task(logic.people.moderate.flagging.run())
        assert code_of(await send(logic, draft("B a d g e r"))) == "FORBIDDEN_WORDS"
        assert await logic.people.moderate.flagging.wait_idle(1)
        flagging.cancel()
    assert not await world.messages.find_by_client_keys([draft().key])
    flags = await cast(MemoryCaseStore, world.people.cases).flags(1 << 60, 10)
    assert [(one.sender, one.words) for one in flags] == [("alice", ("badger",))]


async def test_a_masked_text_is_stored_masked_and_its_resend_gets_the_same_answer() -> None:
    world = World()
    said = draft("a stoat")
    async with running(world.logic()) as logic:
        await load_words(logic, {"stoat": Action.MASK})
        first = await send(logic, said)
        await logic.fan_out.wait_idle(1)
        assert await stored_body(world, said) == b"a *****"
        assert await send(logic, said, resend=True) == first
        world.memory = type(world.memory)()
    async with running(world.logic("logic-1/b")) as other:
        assert await send(other, said, resend=True) == first
        assert await send(other, said) == first
        assert code_of(await send(other, draft("a *****"))) == "ID_REUSED"


@pytest.mark.parametrize("kind", [2, 3])
async def test_bodies_that_are_no_text_are_not_looked_into(kind: int) -> None:
    world = World()
    said = Draft(ClientKey("alice", "phone", "c1"), "d:alice:bob", kind, b"badger")
    async with running(world.logic()) as logic:
        await load_words(logic, {"badger": Action.REJECT})
        assert isinstance(await send(logic, said), Answer)


async def test_a_list_of_words_is_reloaded_without_a_restart() -> None:
    world = World()
    async with running(world.logic()) as logic:
        await load_words(logic, {"badger": Action.REJECT})
        await load_words(logic, {})
        assert isinstance(await send(logic, draft("badger")), Answer)


async def test_no_client_sends_a_system_message() -> None:
    world = World()
    said = Draft(ClientKey("alice", "phone", "c1"), "d:alice:bob", 4, b"{}")
    async with running(world.logic()) as logic:
        assert code_of(await send(logic, said)) == "INVALID_ARGUMENT"
        slip = await send(logic, draft("a slip", client_id="c2"))
        assert isinstance(slip, Answer)
        recalls = Attributes(recalls=slip.message_id)
        recall = Draft(ClientKey("alice", "phone", "c3"), "d:alice:bob", 4, b"{}", recalls)
        assert isinstance(await send(logic, recall), Answer), "its body is made by Access"


async def test_a_resend_is_answered_whatever_the_checks_would_say_now() -> None:
    """Rule 2: it was delivered before the ban, the block and the word."""
    world = World()
    async with running(world.logic()) as logic:
        first = await send(logic, draft("badger"))
        await logic.fan_out.wait_idle(1)
        await load_words(logic, {"badger": Action.REJECT})
        await world.people.relations.replace(PAIR, blocked(STRANGERS, "bob", 0))
        bans(world).ban("alice", None)
        world.clock.now += 3
        assert await send(logic, draft("badger"), resend=True) == first
        assert code_of(await send(logic, draft("badger", client_id="c2"))) == "BANNED"


async def test_a_batch_costs_one_look_up_of_each_kind_and_the_next_none() -> None:
    class Counting(MemoryRelationStore):
        asked: list[int]

        async def find(self, keys: Collection[Pair]) -> Mapping[Pair, Relation]:
            self.asked.append(len(keys))
            return await super().find(keys)

    world = World()
    counting = Counting()
    counting.asked = []
    world.people = replace(world.people, relations=counting)
    async with running(world.logic()) as logic:
        for part in range(2):
            await asyncio.gather(
                *(
                    send(logic, draft(client_id=f"{part}-{number}", to=f"d:alice:u{number:02}"))
                    for number in range(50)
                )
            )
    assert counting.asked
    assert sum(counting.asked) == 50
    assert len(counting.asked) <= 2, "the first batch may have been one message"
