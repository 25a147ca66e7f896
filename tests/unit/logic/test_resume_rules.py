"""A device resumes where it or its account stopped; a hole becomes a void (rules 4, 5, 15, 18)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.logic.domain.model import Answer, DeviceCursor, TimelineEntry
from services.logic.usecases.attach_session import Attach, Attached
from services.logic.usecases.store_cursors import CursorUpdate
from tests.unit.logic.logic_world import World, draft, running, send
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.testing.memory_stores.cursor_store import MemoryCursorStore


async def test_a_cursor_is_confirmed_when_it_is_stored_and_not_before() -> None:
    """Rule 18."""
    world = World()

    class Away(MemoryCursorStore):
        away = True

        async def raise_to(self, cursors: Sequence[DeviceCursor]) -> None:
            if self.away:
                world.clock.now += 3
                raise unavailable("the primary is gone", outcome_unknown=True)
            await super().raise_to(cursors)

    store = world.cursors = Away()
    confirmed: list[DeviceCursor] = []
    mine = DeviceCursor("bob", "phone", 5)
    async with running(world.logic()) as logic:
        pipeline = logic.use_cases.cursors.pipeline
        pipeline.offer(CursorUpdate(mine, confirmed.append))
        await pipeline.wait_idle(2)
        assert confirmed == []
        store.away = False
        pipeline.offer(CursorUpdate(mine, confirmed.append))
        await pipeline.wait_idle(2)
    assert confirmed == [mine]
    assert await store.find([("bob", "phone")]) == {("bob", "phone"): 5}


async def attach_one(world: World, cursor: int | None, device: str = "phone") -> object:
    (outcome,) = await world.logic().use_cases.attach.attach(
        [Attach("bob", device, 1, cursor, 100)]
    )
    return outcome


async def test_a_new_device_starts_at_head_and_misses_nothing_after_it() -> None:
    world = World()
    async with running(world.logic()) as logic:
        await send(logic, draft())
        first = await attach_one(world, None)
        await send(logic, draft(client_id="c2"))
        again = await attach_one(world, None)
    assert isinstance(first, Attached)
    assert isinstance(again, Attached)
    assert (first.cursor, [entry.seq for entry, _ in first.page.entries]) == (1, [])
    assert (again.cursor, [entry.seq for entry, _ in again.page.entries]) == (1, [2])


async def test_the_effective_cursor_is_the_higher_of_said_and_stored() -> None:
    world = World()
    async with running(world.logic()) as logic:
        for number in range(4):
            await send(logic, draft(client_id=f"c{number}"))
    for said, resumed in ((0, 0), (3, 3), (1, 3), (None, 3)):
        outcome = await attach_one(world, said)
        assert isinstance(outcome, Attached)
        assert outcome.cursor == resumed
        assert [entry.seq for entry, _ in outcome.page.entries] == list(range(resumed + 1, 5))


async def test_what_any_device_has_acknowledged_does_not_come_again_in_account_scope() -> None:
    """Rule 15: phone A has confirmed 3; phone B comes with 1."""
    world = World()
    async with running(world.logic()) as logic:
        for number in range(5):
            await send(logic, draft(client_id=f"c{number}"))
    await world.cursors.raise_to([DeviceCursor("bob", "phone-a", 3)])
    for scoped, resumed in ((True, 3), (False, 1)):
        device = f"phone-b-{scoped}"
        (outcome,) = await world.logic().use_cases.attach.attach(
            [Attach("bob", device, 1, 1, 100, account_scope=scoped)]
        )
        assert isinstance(outcome, Attached)
        assert outcome.cursor == resumed
        assert [entry.seq for entry, _ in outcome.page.entries] == list(range(resumed + 1, 6))


async def test_a_cursor_beyond_the_head_is_refused_and_not_stored() -> None:
    world = World()
    refused = await attach_one(world, 9)
    assert isinstance(refused, WhimbrelError)
    assert refused.code.name == "SEQ_AHEAD"
    assert await world.cursors.find([("bob", "phone")]) == {}


async def test_a_hole_is_voided_after_two_seconds_and_shown_as_a_void() -> None:
    """Rules 4 and 5: seq 2 was reserved by a process that died."""
    world = World()
    async with running(world.logic()) as logic:
        await send(logic, draft())
        await world.reservations.reserve({"bob": 1})
        await send(logic, draft(client_id="c2"))
    reader = logic.use_cases.read
    young = await reader.read("bob", 2, 10)
    assert (young.entries, young.head) == ([], 3)
    world.clock.now += 1.9
    assert (await reader.read("bob", 2, 10)).entries == []
    world.clock.now += 0.2
    old = await reader.read("bob", 2, 10)
    assert [(entry.seq, entry.is_void) for entry, _ in old.entries] == [(2, True), (3, False)]


async def test_a_writer_that_is_later_than_the_void_takes_another_seq() -> None:
    world = World()
    async with running(world.logic()) as logic:
        await send(logic, draft())
        go_on = asyncio.Event()
        insert = world.timelines.insert

        async def late(entries: Sequence[object]) -> list[int]:
            await go_on.wait()
            return await insert(entries)  # type: ignore[arg-type]

        world.timelines.insert = late  # type: ignore[method-assign]
        attempt = asyncio.create_task(send(logic, draft(client_id="c2")))
        for _ in range(100):
            await asyncio.sleep(0)
        world.timelines.insert = insert  # type: ignore[method-assign]
        assert await world.timelines.insert([TimelineEntry("bob", 2)]) == []
        go_on.set()
        answer = await attempt
    assert isinstance(answer, Answer)
    assert [seq for seq, _ in await world.placed("bob")] == [1, 3]
    assert await world.seqs("bob") == [1, 2, 3]
    rows = await world.timelines.read("bob", 3, 1)
    assert rows[0].late, "the hint: it was not written at its first seq"
