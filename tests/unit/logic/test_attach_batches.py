"""Many devices attach at once: they share their queries, and nobody starts elsewhere for it."""

from __future__ import annotations

import pytest

from services.logic.domain.model import DeviceCursor, TimelineEntry
from services.logic.usecases import attach_session
from services.logic.usecases.attach_session import Attach, Attached
from tests.unit.logic.logic_world import World, draft, running, send
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.names import direct_conversation

USERS = [f"user-{number}" for number in range(20)]


async def fill(world: World, users: list[str], messages: int) -> None:
    """So many messages from each of them to bob."""
    async with running(world.logic()) as logic:
        for user in users:
            for number in range(messages):
                to = direct_conversation(user, "bob")
                await send(logic, draft(sender=user, to=to, client_id=f"c{number}"))


async def attach(world: World, *batch: Attach) -> list[Attached | WhimbrelError]:
    return await world.logic().use_cases.attach.attach(batch)


def seqs(outcome: Attached | WhimbrelError) -> list[int]:
    assert isinstance(outcome, Attached), outcome
    return [entry.seq for entry, _ in outcome.page.entries]


def cursor_of(outcome: Attached | WhimbrelError) -> int:
    assert isinstance(outcome, Attached), outcome
    return outcome.cursor


def head_of(outcome: Attached | WhimbrelError) -> int:
    assert isinstance(outcome, Attached), outcome
    return outcome.page.head


async def test_twenty_devices_cost_as_many_queries_as_one() -> None:
    world = World()
    await fill(world, USERS, 2)
    await world.cursors.raise_to([DeviceCursor(user, "phone", 1) for user in USERS])
    queries = world.timelines.faults.reached, world.messages.faults.reached
    before = [counts.copy() for counts in queries]
    outcomes = await attach(world, *(Attach(user, "phone", 1, 1, 256) for user in USERS))
    assert [seqs(outcome) for outcome in outcomes] == [[2]] * 20
    made = [counts - old for counts, old in zip(queries, before, strict=True)]
    assert [sum(one.values()) for one in made] == [2, 2], "before and after one query of each"


async def test_the_new_the_known_and_the_wrong_of_one_batch_start_where_they_belong() -> None:
    world = World()
    await fill(world, ["alice", "carol"], 3)
    await world.cursors.raise_to([DeviceCursor("bob", "phone", 4), DeviceCursor("alice", "tv", 2)])
    outcomes = await attach(
        world,
        Attach("bob", "phone", 1, 2, 256),  # said less than is stored
        Attach("bob", "laptop", 1, None, 256),  # new, though others are there
        Attach("alice", "phone", 1, 0, 256),  # knows that it has nothing
        Attach("alice", "watch", 1, 1, 256, account_scope=True),
        Attach("dave", "phone", 1, None, 256),  # nobody has ever written to him
        Attach("carol", "phone", 1, 4, 256),  # beyond the head
        Attach("eve", "phone", 1, 1, 256),
    )
    assert [seqs(one) for one in outcomes[:5]] == [[5, 6], [], [1, 2, 3], [3], []]
    assert [cursor_of(one) for one in outcomes[:5]] == [4, 6, 0, 2, 0]
    for refused in outcomes[5:]:
        assert isinstance(refused, WhimbrelError)
        assert refused.code is ErrorCode.SEQ_AHEAD
    assert await world.cursors.find([("bob", "laptop"), ("carol", "phone")]) == {
        ("bob", "laptop"): 6
    }


async def test_the_page_ends_at_its_limit_and_the_head_is_told_all_the_same() -> None:
    world = World()
    await fill(world, ["alice"], 5)
    (outcome,) = await attach(world, Attach("bob", "phone", 1, 0, 2))
    assert isinstance(outcome, Attached)
    assert (seqs(outcome), outcome.page.head) == ([1, 2], 5)


async def test_one_who_missed_much_spoils_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await fill(world, ["alice", "carol"], 8)
    batch = [
        Attach("bob", "phone", 1, 0, 4),
        Attach("alice", "phone", 1, 7, 256),
        Attach("alice", "tv", 1, None, 256),
    ]
    together = await attach(world, *batch)
    monkeypatch.setattr(attach_session, "MORE_ROWS", -60)
    world = World()
    await fill(world, ["alice", "carol"], 8)
    alone = await attach(world, *batch)
    assert world.timelines.faults.reached["read.before"] == 3
    for outcomes in (together, alone):
        assert [(seqs(one), cursor_of(one), head_of(one)) for one in outcomes] == [
            ([1, 2, 3, 4], 0, 16),
            ([8], 7, 8),
            ([], 8, 8),
        ]


async def test_what_was_missed_counts_for_ids_and_so_does_a_little_before_it() -> None:
    """Rule 7."""
    world = World()
    await fill(world, ["alice"], 3)
    rows = await world.timelines.read("bob", 1, 9)
    (outcome,) = await attach(world, Attach("bob", "phone", 1, 3, 256))
    assert isinstance(outcome, Attached)
    assert outcome.page.highest_message_id == rows[-1].message_id


async def test_a_young_hole_ends_the_page_and_an_old_one_is_a_void() -> None:
    world = World()
    await fill(world, ["alice"], 1)
    await world.timelines.insert([TimelineEntry("bob", 3)])
    logic = world.logic()
    device = Attach("bob", "phone", 1, 1, 256)
    (young,) = await logic.use_cases.attach.attach([device])
    assert isinstance(young, Attached)
    assert (seqs(young), young.page.head) == ([], 3)
    world.clock.now += 2.1
    (old,) = await logic.use_cases.attach.attach([device])
    assert seqs(old) == [2, 3]


async def test_a_store_that_is_away_for_a_moment_costs_time_only() -> None:
    world = World()
    await fill(world, ["alice"], 1)
    world.timelines.faults.fail("tails")
    (outcome,) = await attach(world, Attach("bob", "phone", 1, 0, 256))
    assert seqs(outcome) == [1]


async def test_messages_that_cannot_be_read_refuse_the_batch_for_now() -> None:
    world = World()
    await fill(world, ["alice"], 1)
    world.messages.faults.fail("find")
    outcomes = await attach(
        world, Attach("bob", "phone", 1, 0, 256), Attach("alice", "phone", 1, 9, 256)
    )
    codes = [one.code for one in outcomes if isinstance(one, WhimbrelError)]
    assert codes == [ErrorCode.UNAVAILABLE, ErrorCode.SEQ_AHEAD]
