"""Small batches reserve their seqs before they are stored: once, and nothing stays a hole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.logic.domain.model import Answer, StoredMessage
from services.logic.usecases.check_sends import MAX_OPENED_ENTRIES, MAX_OPENED_MESSAGES
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore


async def known(world: World) -> None:
    """Redis knows the heads of both, as after their first message."""
    await world.reservations.raise_to({"alice": 0, "bob": 0})


async def test_a_small_batch_asks_redis_once() -> None:
    world = World()
    await known(world)
    async with running(world.logic()) as logic:
        answers = [await send(logic, draft(client_id=f"c{n}")) for n in range(3)]
    assert [one.seq for one in answers if isinstance(one, Answer)] == [1, 2, 3]
    reached = world.reservations.faults.reached, world.memory.faults.reached
    assert [one["reserve.before"] + one["look_up.before"] for one in reached] == [3, 3]


async def test_seqs_are_reserved_before_the_message_is_stored() -> None:
    world = World()
    await known(world)
    heads: list[dict[str, int]] = []

    async def look(point: str) -> None:
        if point == "insert.before":
            heads.append(dict(world.reservations.heads))

    world.messages.faults.pause = look
    async with running(world.logic()) as logic:
        await send(logic, draft())
    assert heads == [{"alice": 1, "bob": 1}]


async def test_the_seqs_of_a_resend_that_the_index_finds_become_void_at_once() -> None:
    """Nothing marked it as a resend, and nobody remembers it."""
    world = World()
    await known(world)
    async with running(world.logic()) as logic:
        first = await send(logic, draft())
        await logic.fan_out.wait_idle(1)
        world.memory.lose_everything()
        again = await send(logic, draft())
        after = await send(logic, draft("two", client_id="c2"))
    assert first == again
    assert isinstance(first, Answer)
    assert isinstance(after, Answer)
    assert await world.seqs("alice") == await world.seqs("bob") == [1, 2, 3]
    expected = [(1, first.message_id), (3, after.message_id)]
    assert await world.placed("alice") == await world.placed("bob") == expected


async def test_a_resend_among_others_leaves_no_hole_and_takes_nobodys_place() -> None:
    world = World()
    await known(world)
    async with running(world.logic()) as logic:
        first = await send(logic, draft())
        outcomes = await asyncio.gather(
            send(logic, draft("two", client_id="c2")),
            send(logic, draft()),
            send(logic, draft("three", client_id="c3")),
        )
    assert outcomes[1] == first
    placed = await world.placed("bob")
    assert [seq for seq, _ in placed] == [1, 2, 3]
    assert [message for _, message in placed] == sorted(message for _, message in placed)
    assert await world.seqs("bob") == [1, 2, 3, 4], "the seq left over is void"


async def test_the_seqs_of_an_outdated_send_become_void_at_once() -> None:
    world = World()
    await known(world)
    await world.memory.raise_epochs({("alice", "phone"): 7})
    async with running(world.logic()) as logic:
        refused = await send(logic, draft(), epoch=6)
        answer = await send(logic, draft(client_id="c2"), epoch=7)
    assert code_of(refused) == "STALE_EPOCH"
    assert isinstance(answer, Answer)
    assert await world.seqs("bob") == [1, 2]
    assert await world.placed("bob") == [(2, answer.message_id)]


async def test_what_the_checks_refuse_reserves_nothing() -> None:
    world = World()
    await known(world)
    async with running(world.logic()) as logic:
        refused = await send(logic, draft(to="g:nowhere"))
    assert code_of(refused) == "UNKNOWN_CONVERSATION"
    assert world.reservations.heads == {"alice": 0, "bob": 0}


async def test_a_reservation_that_got_old_while_the_message_was_stored_is_dropped() -> None:
    """Rule 4: after two seconds a reader may have made it void."""
    world = World()

    class Slow(MemoryMessageStore):
        async def _take(self, messages: Sequence[StoredMessage], *, is_durable: bool) -> list[int]:
            world.clock.now += 1.5
            return await super()._take(messages, is_durable=is_durable)

    world.messages = Slow()
    await known(world)
    async with running(world.logic()) as logic:
        answer = await send(logic, draft())
    assert isinstance(answer, Answer)
    assert answer.seq == 2
    assert await world.seqs("alice") == await world.seqs("bob") == [1, 2]


async def test_users_that_redis_does_not_know_get_their_seqs_from_the_heads() -> None:
    world = World()
    async with running(world.logic()) as logic:
        first = await send(logic, draft())
        world.reservations.heads.pop("bob")
        second = await send(logic, draft("two", client_id="c2"))
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert await world.seqs("alice") == await world.seqs("bob") == [1, 2]


async def test_nothing_is_reserved_for_a_batch_while_the_last_one_failed() -> None:
    """A MongoDB that is away costs one batch of holes, not one for each that is tried."""
    world = World()
    await known(world)
    async with running(world.logic()) as logic:
        await send(logic, draft())
        world.messages.faults.away = True

        async def tick(point: str) -> None:
            if point == "insert.before":
                world.clock.now += 6

        world.messages.faults.pause = tick
        for n in range(3):
            assert code_of(await send(logic, draft(client_id=f"lost{n}"))) == "UNAVAILABLE"
        assert world.reservations.heads == {"alice": 2, "bob": 2}
        world.messages.faults.away = False
        world.messages.faults.pause = None
        answer = await send(logic, draft(client_id="c2"))
    assert isinstance(answer, Answer)
    assert answer.seq == 3


async def test_without_redis_messages_are_placed_behind_the_heads() -> None:
    world = World()
    world.reservations.faults.away = world.memory.faults.away = True
    async with running(world.logic()) as logic:
        answers = [await send(logic, draft(client_id=f"c{n}")) for n in range(2)]
    assert [one.seq for one in answers if isinstance(one, Answer)] == [1, 2]


@pytest.mark.parametrize("resend", [True, False])
async def test_a_flagged_resend_is_looked_up_before_anything_is_reserved(resend: bool) -> None:
    world = World()
    await known(world)
    order: list[str] = []

    async def note(point: str) -> None:
        if point in ("look_up.before", "reserve.before", "find_by_client_keys.before"):
            order.append(point.removesuffix(".before"))

    for store in (world.memory, world.reservations, world.messages):
        store.faults.pause = note
    async with running(world.logic()) as logic:
        await send(logic, draft(), resend=resend)
    looked_up = ["look_up", "find_by_client_keys", "reserve"]
    assert order == (looked_up if resend else ["look_up", "reserve"])


async def test_a_large_batch_reserves_only_when_its_messages_are_stored() -> None:
    world = World()
    await known(world)
    heads: list[int] = []

    async def look(point: str) -> None:
        if point == "insert.before":
            heads.append(world.reservations.heads["bob"])

    world.messages.faults.pause = look
    logic = world.logic()
    count = MAX_OPENED_MESSAGES + 1
    waiting = [asyncio.create_task(send(logic, draft(client_id=f"c{n}"))) for n in range(count)]
    await asyncio.sleep(0)
    async with running(logic):
        await asyncio.gather(*waiting)
    assert heads == [0]
    assert await world.seqs("bob") == list(range(1, count + 1))


async def test_a_message_to_a_large_group_reserves_only_when_it_is_stored() -> None:
    world = World()
    members = [f"m{n}" for n in range(MAX_OPENED_ENTRIES)]
    await world.conversations.create_group("g:x", "alice", members, "", 0)
    await world.reservations.raise_to(dict.fromkeys(["alice", *members], 0))
    await world.memory.raise_epochs({("alice", "phone"): 7})
    async with running(world.logic()) as logic:
        refused = await send(logic, draft(to="g:x"), epoch=6)
        assert world.reservations.heads["m0"] == 0
        answer = await send(logic, draft(to="g:x", client_id="c2"), epoch=7)
    assert code_of(refused) == "STALE_EPOCH"
    assert isinstance(answer, Answer)
    assert await world.seqs("m0") == [1]
