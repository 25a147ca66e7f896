"""What an attempt left half done is completed once, by whoever comes next (rules 2, 3 and 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.logic.domain.model import Answer, TimelineEntry
from services.logic.parts import LogicParts
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore


class DoesAndSaysNothing(MemoryTimelineStore):
    """The first insert happens, and its answer is lost."""

    lost = False

    async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
        refused = await super().insert(entries)
        if not self.lost:
            self.lost = True
            raise unavailable("the connection broke", outcome_unknown=True)
        return refused


class StoresHalf(MemoryTimelineStore):
    """Stores the entries of some users, and dies."""

    def __init__(self, shared: MemoryTimelineStore, users: set[str]) -> None:
        super().__init__()
        self._shared = shared
        self._users = users

    async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
        await self._shared.insert([entry for entry in entries if entry.user in self._users])
        await asyncio.Event().wait()
        raise AssertionError


async def leave_half_done(world: World, one_draft: object, users: set[str]) -> LogicParts:
    """A process that dies when only these users have the message; it held a worker lease."""
    dying = world.logic("logic-9/dead", timelines=StoresHalf(world.timelines, users))
    async with running(dying):
        attempt = asyncio.create_task(send(dying, one_draft))  # type: ignore[arg-type]
        while not await world.messages.find_by_client_keys([one_draft.key]):  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        attempt.cancel()
    return dying


async def test_a_resend_of_a_half_done_message_completes_it_whoever_is_a_member_now() -> None:
    """Rule 2: the sender was removed in between, and somebody else has joined."""
    world = World()
    await world.conversations.create_group("g:x", "alice", ["bob", "carol"], "", 0)
    said = draft(to="g:x")
    await leave_half_done(world, said, {"bob"})
    world.conversations = type(world.conversations)()
    await world.conversations.create_group("g:x", "bob", ["carol", "dave"], "", 0)
    async with running(world.logic()) as logic:
        again = await send(logic, said, resend=True)
    assert isinstance(again, Answer)
    assert [len(await world.placed(user)) for user in ("alice", "bob", "carol", "dave")] == [
        1,
        1,
        1,
        0,
    ]


async def test_an_entry_of_our_own_that_is_refused_is_found_and_not_repeated() -> None:
    """Rule 3: after an unknown outcome our own entries are refused as (user, seq)."""
    world = World()
    world.timelines = DoesAndSaysNothing()
    async with running(world.logic()) as logic:
        answer = await send(logic, draft())
    assert isinstance(answer, Answer)
    assert await world.placed("alice") == [(1, answer.message_id)]
    assert await world.seqs("bob") == [1]


async def test_a_completion_that_overtakes_the_first_attempt_leaves_one_entry_and_no_hole() -> None:
    """Process A has reserved and is slow; B completes the resend; then A goes on."""
    world = World()
    go_on = asyncio.Event()

    class Slow(MemoryTimelineStore):
        async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
            await go_on.wait()
            return await world.timelines.insert(entries)

        async def find_placed(self, placements: object) -> object:  # type: ignore[override]
            return await world.timelines.find_placed(placements)  # type: ignore[arg-type]

    slow = world.logic("logic-0/a", timelines=Slow())
    async with running(slow), running(world.logic("logic-1/b")) as quick:
        first = asyncio.create_task(send(slow, draft()))
        while not await world.messages.find_by_client_keys([draft().key]):
            await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        second = await send(quick, draft(), resend=True)
        go_on.set()
        assert await first == second
    assert len(await world.placed("bob")) == 1
    assert await world.seqs("bob") == [1, 2], "the seq that A had reserved has become a void"


async def test_what_a_dead_logic_left_half_done_is_completed_by_a_survivor() -> None:
    """Rule 6, with a message that only one of three has."""
    world = World()
    await world.conversations.create_group("g:x", "alice", ["bob", "carol"], "", 0)
    world.locator.routes = {"carol": ["access-1"]}
    await leave_half_done(world, draft(to="g:x"), {"bob"})
    survivor = world.logic("logic-1/b")
    await survivor.ids.renew()
    assert not await survivor.clean_up.finish_dead(), "its lease has not run out yet"
    world.clock.now += 11
    await survivor.ids.renew()
    async with running(survivor):
        assert await survivor.clean_up.finish_dead()
        await survivor.fan_out.wait_idle(1)
    assert [len(await world.placed(user)) for user in ("alice", "bob", "carol")] == [1, 1, 1]
    for user in ("alice", "bob", "carol"):
        seqs = await world.seqs(user)
        assert seqs == list(range(1, len(seqs) + 1))
    assert [pod for pod, _, _ in world.outlet.delivered] == ["access-1"]


async def test_a_store_that_was_away_longer_than_the_deadline_leaves_nothing_half_done() -> None:
    """Our own commit failed after the messages were stored; nobody sends again."""
    world = World()

    class Away(MemoryTimelineStore):
        async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
            world.clock.now += 6
            raise unavailable("the primary is gone", outcome_unknown=True)

    broken = world.logic("logic-0/a", timelines=Away())
    await broken.ids.renew()
    async with running(broken):
        outcome = await send(broken, draft())
    assert code_of(outcome) == "UNAVAILABLE"
    assert isinstance(outcome, WhimbrelError)
    assert outcome.outcome_unknown
    span = broken.clean_up._unfinished
    assert span is not None
    healed = world.logic("logic-0/a")
    healed.ids._lease, healed.ids._minter = broken.ids._lease, broken.ids._minter
    healed.clean_up.note_unfinished(span)
    async with running(healed):
        assert await healed.clean_up.finish_own() == 1
    assert len(await world.placed("alice")) == len(await world.placed("bob")) == 1
