"""One majority for both inserts, and a primary that is lost in between (rules 1 to 3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.logic.domain.model import Answer, StoredMessage, TimelineEntry
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.core.errors import unavailable
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.paired_inserts import MemoryInsertPair, MemoryPairedInserts


def lose_primaries(world: World, *, times: int = 1) -> None:
    """So many times the primary is gone before the entries come."""
    left = [times]

    async def pause(point: str) -> None:
        if point == "pair.each" and left[0]:
            left[0] -= 1
            raise unavailable("the primary was lost", outcome_unknown=True)

    world.messages.faults.pause = pause


async def assert_placed_once(world: World, answer: object) -> None:
    assert isinstance(answer, Answer)
    assert list(world.messages.by_id) == [answer.message_id]
    for user in ("alice", "bob"):
        assert [one for _, one in await world.placed(user)] == [answer.message_id]
        seqs = await world.seqs(user)
        assert seqs == list(range(1, len(seqs) + 1))


async def test_a_commit_inserts_messages_once_and_entries_once() -> None:
    world = World()
    async with running(world.logic()) as logic:
        answer = await send(logic, draft())
    await assert_placed_once(world, answer)
    assert world.messages.faults.reached["insert.before"] == 1
    assert world.timelines.faults.reached["insert.before"] == 1


async def test_nobody_reads_a_message_before_its_entries_are_confirmed() -> None:
    world = World()
    found: list[int] = []

    async def look(point: str) -> None:
        if point == "pair.each":
            found.append(len(await world.messages.find_by_client_keys([draft().key])))

    world.messages.faults.pause = look
    async with running(world.logic()) as logic:
        await send(logic, draft())
    assert found == [0]
    assert len(await world.messages.find_by_client_keys([draft().key])) == 1


async def test_what_a_lost_primary_alone_had_is_inserted_again_as_it_was() -> None:
    world = World()
    await world.reservations.raise_to({"alice": 0, "bob": 0})
    lose_primaries(world)
    async with running(world.logic()) as logic:
        answer = await send(logic, draft())
    await assert_placed_once(world, answer)
    assert await world.seqs("alice") == await world.seqs("bob") == [1], "at the seqs it had"


async def test_seqs_that_were_tried_are_tried_again_when_redis_did_not_know_the_users() -> None:
    world = World()
    lose_primaries(world)
    async with running(world.logic()) as logic:
        answer = await send(logic, draft())
    await assert_placed_once(world, answer)
    assert await world.seqs("alice") == [1]


async def test_a_resend_that_is_stored_elsewhere_after_the_loss_is_the_message() -> None:
    """The first attempt finds another's message under its key, and none of its own entries."""
    world = World()
    other = world.logic("logic-1/b")
    answers: list[object] = []

    class LosesToAnother(MemoryInsertPair):
        async def insert_entries(self, entries: Sequence[TimelineEntry]) -> list[int]:
            world.messages.lose(self.inserted)
            answers.append(await send(other, draft(), resend=True))
            raise unavailable("the primary was lost", outcome_unknown=True)

    class OneLoses(MemoryPairedInserts):
        @asynccontextmanager
        async def pair(self) -> AsyncIterator[MemoryInsertPair]:
            yield LosesToAnother(self.messages, self.timelines)

    pairs = OneLoses(world.messages, world.timelines)
    async with running(other), running(world.logic(pairs=pairs)) as logic:
        answer = await send(logic, draft())
    assert answers == [answer]
    await assert_placed_once(world, answer)


async def test_a_resend_waits_until_what_refused_it_can_be_found() -> None:
    """The first attempt is at its primary alone: nothing is minted again and again meanwhile."""
    world = World()
    confirmed = asyncio.Event()
    at_primary = asyncio.Event()

    class HangsBetween(MemoryInsertPair):
        async def insert_entries(self, entries: Sequence[TimelineEntry]) -> list[int]:
            at_primary.set()
            await confirmed.wait()
            return await super().insert_entries(entries)

    class OneHangs(MemoryPairedInserts):
        @asynccontextmanager
        async def pair(self) -> AsyncIterator[MemoryInsertPair]:
            yield HangsBetween(self.messages, self.timelines)

    first = world.logic(pairs=OneHangs(world.messages, world.timelines))
    other = world.logic("logic-1/b")
    async with running(first), running(other):
        attempt = asyncio.create_task(send(first, draft()))
        await at_primary.wait()
        resent = await send(other, draft(), resend=True)
        confirmed.set()
        answer = await attempt
    assert answer == resent
    await assert_placed_once(world, answer)
    # The first attempt, the resend at its primary, and the one that waited for the majority.
    assert world.messages.faults.reached["insert.before"] == 3


async def test_without_a_pair_both_inserts_are_confirmed_one_after_the_other() -> None:
    world = World()
    alone: list[int] = []

    class Stores(MemoryMessageStore):
        async def _take(self, messages: Sequence[StoredMessage], *, is_durable: bool) -> list[int]:
            alone.append(not is_durable)
            return await super()._take(messages, is_durable=is_durable)

    class NoPairs(MemoryPairedInserts):
        @asynccontextmanager
        async def pair(self) -> AsyncIterator[None]:  # type: ignore[override]
            yield None

    world.messages = Stores()
    async with running(world.logic(pairs=NoPairs(world.messages, world.timelines))) as logic:
        answer = await send(logic, draft())
    await assert_placed_once(world, answer)
    assert alone == [False]


async def test_a_store_that_stays_away_is_an_unknown_outcome() -> None:
    world = World()

    async def away(point: str) -> None:
        if point == "pair.each":
            world.messages.faults.away = world.timelines.faults.away = True
            raise unavailable("the primary was lost", outcome_unknown=True)
        if point == "insert.before":
            world.clock.now += 3

    world.messages.faults.pause = away
    async with running(world.logic()) as logic:
        outcome = await send(logic, draft())
    assert code_of(outcome) == "UNAVAILABLE"
    assert logic.clean_up._unfinished is not None
