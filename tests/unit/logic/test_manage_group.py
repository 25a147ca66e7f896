"""A change of a group is made once and said once, whoever dies in between."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from services.logic.domain import group_changes
from services.logic.domain.model import Answer
from services.logic.domain.people import STRANGERS, Pair, Privacy, blocked
from services.logic.parts import LogicParts
from tests.unit.logic.logic_world import World, draft, running, send
from whimbrel.core.errors import ErrorCode, WhimbrelError

TEAM = "g:team"


async def world_with_team(*members: str) -> World:
    world = World()
    await world.conversations.create_group(TEAM, "olga", members or ("mia", "max"), "Team", 0)
    return world


async def said(world: World, user: str) -> list[dict[str, Any]]:
    """The system messages in a user's timeline."""
    rows = await world.timelines.read(user, 1, 10_000)
    ids = {row.message_id: row.sender for row in rows if row.message_id is not None}
    found = await world.messages.find(ids)
    return [
        json.loads(found[row.message_id].body)
        for row in rows
        if row.message_id is not None and found[row.message_id].body_kind == 4
    ]


def remove(logic: LogicParts, user: str, request: str = "r1", by: str = "olga") -> Any:
    return logic.people.groups.change(
        TEAM, by, request, lambda group, now: group_changes.remove(group, by, user, now)
    )


async def test_a_change_is_said_to_the_members_and_to_who_was_removed() -> None:
    world = await world_with_team()
    async with running(world.logic()) as logic:
        group = await remove(logic, "max")
        assert [one.user for one in group.members] == ["olga", "mia"]
        assert group.notices == ()
        for user in ("olga", "mia", "max"):
            assert await said(world, user) == [{"type": "removed", "user": "max", "by": "olga"}]
        assert isinstance(await send(logic, draft(to=TEAM, sender="mia")), Answer)
    assert len(await world.seqs("max")) == 1, "what came after is not for who was removed"
    assert len(await world.seqs("mia")) == 2


async def test_the_same_request_is_done_and_said_once() -> None:
    world = await world_with_team()
    async with running(world.logic()) as logic, running(world.logic("logic-1/b")) as other:
        await remove(logic, "max")
        again = await remove(other, "max")
        await asyncio.gather(*(remove(logic, "max") for _ in range(5)))
    assert [one.user for one in again.members] == ["olga", "mia"]
    assert len(await said(world, "mia")) == 1


async def test_changes_at_once_are_all_made_and_all_said_in_one_order() -> None:
    members = [f"u{number}" for number in range(12)]
    world = await world_with_team(*members)
    async with running(world.logic()) as one, running(world.logic("logic-1/b")) as other:
        await asyncio.gather(
            *(
                remove((one, other)[number % 2], user, f"r{number}")
                for number, user in enumerate(members[:10])
            )
        )
    group = await world.conversations.load(TEAM)
    assert group is not None
    assert [one.user for one in group.members] == ["olga", "u10", "u11"]
    heard = await said(world, "olga")
    assert sorted(one["user"] for one in heard) == sorted(members[:10])
    assert heard == await said(world, "u10")


async def test_a_change_whose_pod_died_before_saying_it_is_said_by_the_sweep() -> None:
    world = await world_with_team()
    dying = world.logic("logic-9/dead")  # its commits never run
    attempt = asyncio.create_task(remove(dying, "max"))
    for _ in range(50):
        await asyncio.sleep(0)
    attempt.cancel()
    async with running(world.logic()) as logic:
        assert await logic.people.groups.sweep() == 0, "not old enough: it may have an owner"
        world.clock.now += 11
        assert await logic.people.groups.sweep() == 1
        assert await said(world, "max") == [{"type": "removed", "user": "max", "by": "olga"}]
        assert await logic.people.groups.sweep() == 0


async def test_the_repetition_of_a_change_that_was_not_said_says_it() -> None:
    world = await world_with_team()
    world.conversations.faults.lose_answer("replace")
    async with running(world.logic()) as logic:
        with pytest.raises(WhimbrelError) as raised:
            await remove(logic, "max")
        assert raised.value.outcome_unknown
        assert await said(world, "mia") == []
        await remove(logic, "max")
    assert len(await said(world, "mia")) == 1


async def test_who_was_removed_sends_no_more_and_who_was_invited_does() -> None:
    world = await world_with_team()
    async with running(world.logic()) as logic:
        await remove(logic, "max")
        refused = await send(logic, draft(to=TEAM, sender="max"))
        assert isinstance(refused, WhimbrelError)
        assert refused.code is ErrorCode.NOT_A_MEMBER
        await logic.people.groups.invite(TEAM, "mia", "r2", ["eve"])
        assert isinstance(await send(logic, draft(to=TEAM, sender="eve")), Answer)
    assert (await said(world, "eve"))[0] == {"type": "invited", "users": ["eve"], "by": "mia"}


async def test_nobody_is_invited_over_a_block_or_against_their_privacy() -> None:
    world = await world_with_team()
    await world.people.relations.replace(Pair("eve", "mia"), blocked(STRANGERS, "eve", 0))
    await world.people.privacy.put("ann", Privacy(strangers_may_write=False))
    async with running(world.logic()) as logic:
        for user, code in (("eve", "BLOCKED"), ("ann", "NOT_FRIENDS")):
            with pytest.raises(WhimbrelError) as raised:
                await logic.people.groups.invite(TEAM, "mia", "r1", [user])
            assert raised.value.code.name == code
            with pytest.raises(WhimbrelError) as raised:
                await logic.people.groups.create("mia", [user], "", f"new-{user}")
            assert raised.value.code.name == code
    assert await world.conversations.participants([TEAM]) == {TEAM: ("olga", "mia", "max")}


async def test_a_group_that_was_founded_says_so_and_twice_is_the_same() -> None:
    world = World()
    async with running(world.logic()) as logic:
        first = await logic.people.groups.create("olga", ["mia"], "New", "r1")
        again = await logic.people.groups.create("olga", ["mia"], "New", "r1")
    assert first.conversation == again.conversation
    assert await said(world, "mia") == [{"type": "created", "name": "New", "by": "olga"}]


async def test_a_dissolved_group_is_told_to_all_and_known_no_more() -> None:
    world = await world_with_team()
    async with running(world.logic()) as logic:
        await logic.people.groups.change(
            TEAM, "olga", "r1", lambda group, now: group_changes.dissolve(group, "olga", now)
        )
        refused = await send(logic, draft(to=TEAM, sender="mia"))
        with pytest.raises(WhimbrelError) as raised:
            await logic.people.groups.look(TEAM, "olga")
    assert isinstance(refused, WhimbrelError)
    assert refused.code is raised.value.code is ErrorCode.UNKNOWN_CONVERSATION
    for user in ("olga", "mia", "max"):
        assert await said(world, user) == [{"type": "dissolved", "by": "olga"}]


async def test_a_link_leads_into_its_group_and_another_leads_nowhere() -> None:
    world = await world_with_team()
    async with running(world.logic()) as logic:
        groups = logic.people.groups
        link = await groups.make_link(TEAM, "olga", "r1")
        assert await groups.make_link(TEAM, "olga", "r1") == link
        assert (await groups.join("eve", "r1", link)).waiting == ("eve",)
        for wrong in ("", "team.", ".x", "nope.x", f"{link}x", "d:a:b.x"):
            with pytest.raises(WhimbrelError) as raised:
                await groups.join("eve", "r2", wrong)
            assert raised.value.code is ErrorCode.NOT_FOUND


async def test_a_broadcast_is_said_once_to_each() -> None:
    world = World()
    async with running(world.logic()) as logic:
        for _ in range(2):
            failed = await logic.people.moderate.broadcast(
                ["alice", "bob", "alice"], b'{"type":"news"}', "b1"
            )
            assert failed == {}
    assert await said(world, "alice") == await said(world, "bob") == [{"type": "news"}]


async def test_reports_of_ten_put_a_user_at_risk_and_those_of_one_do_not() -> None:
    world = World()
    async with running(world.logic()) as logic:
        moderate = logic.people.moderate
        for _ in range(20):
            await moderate.report("eve", "bob", "spam", 0)
        assert await moderate.risk("bob") == pytest.approx(10.0)
        for number in range(9):
            await moderate.report(f"u{number}", "bob", "spam", 7)
        refused = await send(logic, draft(sender="bob"))
        world.clock.now += 86_400
        assert await moderate.risk("bob") == pytest.approx(50.0)
        assert isinstance(await send(logic, draft(sender="bob")), Answer)
    assert isinstance(refused, WhimbrelError)
    assert refused.code is ErrorCode.AT_RISK
    assert len(await moderate.list_reports(0, 0)) == 10
