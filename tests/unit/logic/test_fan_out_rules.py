"""After the commit (rules 10, 11, 13, 16, 18): who is asked when, and what a failure means."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.logic.domain.model import Answer, DeviceCursor, TimelineEntry
from services.logic.usecases.attach_session import Attach, Attached
from services.logic.usecases.store_cursors import CursorUpdate
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.core.attributes import Attributes
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.testing.memory_stores.cursor_store import MemoryCursorStore


async def test_routes_are_read_after_the_commit() -> None:
    """Rule 10: when the Router is asked, the entries are there for a backlog to find."""
    world = World()
    seen: list[list[int]] = []
    locate = world.locator.locate

    async def spy(users: Sequence[str]) -> dict[str, list[str]]:
        seen.append(await world.seqs("bob"))
        return await locate(users)

    world.locator.locate = spy  # type: ignore[method-assign]
    async with running(world.logic()) as logic:
        await send(logic, draft())
        await logic.fan_out.wait_idle(1)
    assert seen == [[1]]


async def test_a_failed_lookup_is_tried_again_and_never_means_offline() -> None:
    """Rule 11."""
    world = World()
    world.locator.routes = {"alice": ["access-0"], "bob": ["access-1"]}
    world.locator.away = 2
    async with running(world.logic()) as logic:
        await send(logic, draft())
        assert await logic.fan_out.wait_idle(5)
    assert {pod for pod, _, _ in world.outlet.delivered} == {"access-0", "access-1"}
    assert not world.push_queue.jobs


async def test_one_message_crosses_each_link_once() -> None:
    world = World()
    await world.conversations.create_group("g:x", "alice", ["bob", "carol"], "", 0)
    world.locator.routes = {name: ["access-1"] for name in ("alice", "bob", "carol")}
    async with running(world.logic()) as logic:
        await send(logic, draft(to="g:x"))
        await logic.fan_out.wait_idle(1)
    ((pod, _, targets),) = world.outlet.delivered
    assert pod == "access-1"
    assert {entry.user for entry in targets} == {"alice", "bob", "carol"}


async def test_who_is_on_no_pod_is_indexed_and_woken_and_the_sender_is_not() -> None:
    world = World()
    world.locator.routes = {"alice": ["access-0"]}
    async with running(world.logic()) as logic:
        await send(logic, draft())
        await logic.fan_out.wait_idle(1)
    assert [job.user for job in world.push_queue.jobs] == ["bob"]


@pytest.mark.parametrize(
    ("attributes", "woken"),
    [
        (Attributes(mentions=("bob",)), {"bob": True, "carol": False}),
        (Attributes(mentions_all=True), {"bob": True, "carol": True}),
        (Attributes(), {"bob": False, "carol": False}),
    ],
)
async def test_a_job_says_whether_the_message_means_its_user(
    attributes: Attributes, woken: dict[str, bool]
) -> None:
    world = World()
    await world.conversations.create_group("g:x", "alice", ["bob", "carol"], "", 0)
    async with running(world.logic()) as logic:
        await send(logic, draft(to="g:x", attributes=attributes))
        await logic.fan_out.wait_idle(1)
    assert {job.user: job.mentions_user for job in world.push_queue.jobs} == woken


async def test_a_lost_index_is_rebuilt_by_the_next_message_for_its_user() -> None:
    """Rule 20, promise 8: Redis was flushed between two messages for somebody who is away."""
    world = World()
    async with running(world.logic()) as logic:
        first = await send(logic, draft())
        await logic.fan_out.wait_idle(1)
        world.undelivered.lose_everything()
        second = await send(logic, draft(client_id="c2"))
        await logic.fan_out.wait_idle(1)
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    index = await world.undelivered.find("bob")
    assert index == {"d:alice:bob": [first.message_id, second.message_id]}


async def test_a_route_without_a_link_is_treated_as_offline() -> None:
    world = World()
    world.locator.routes = {"alice": ["access-0"], "bob": ["access-7"]}
    async with running(world.logic()) as logic:
        await send(logic, draft())
        await logic.fan_out.wait_idle(1)
    assert [job.user for job in world.push_queue.jobs] == ["bob"]


async def test_a_resend_of_a_stored_message_repeats_the_fan_out() -> None:
    """Rule 16: the first attempt may have died before it told anybody."""
    world = World()
    async with running(world.logic()) as logic:
        first = await send(logic, draft())
        await logic.fan_out.wait_idle(1)
    world.memory = type(world.memory)()  # died before it could remember
    world.locator.routes = {"bob": ["access-1"]}
    async with running(world.logic("logic-1/b")) as other:
        assert await send(other, draft(), resend=True) == first
        await other.fan_out.wait_idle(1)
    assert [pod for pod, _, _ in world.outlet.delivered] == ["access-1"]


async def test_a_send_of_an_older_attachment_is_refused() -> None:
    """Rule 13, promise 7."""
    world = World()
    async with running(world.logic()) as logic:
        await logic.use_cases.attach.attach([Attach("alice", "phone", 7, None, 10)])
        assert code_of(await send(logic, draft(), epoch=6)) == "STALE_EPOCH"
        assert isinstance(await send(logic, draft(client_id="c2"), epoch=7), Answer)


@pytest.mark.parametrize(
    ("conversation", "code"),
    [
        ("g:nowhere", "UNKNOWN_CONVERSATION"),
        ("nonsense", "UNKNOWN_CONVERSATION"),
        ("d:bob:carol", "NOT_A_MEMBER"),
        ("g:x", "NOT_A_MEMBER"),
    ],
)
async def test_a_send_to_the_wrong_place_is_refused_and_stores_nothing(
    conversation: str, code: str
) -> None:
    world = World()
    await world.conversations.create_group("g:x", "bob", ["carol"], "", 0)
    async with running(world.logic()) as logic:
        assert code_of(await send(logic, draft(to=conversation))) == code
    assert await world.seqs("bob") == []


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
