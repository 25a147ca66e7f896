"""A commit puts each message at its place, once and without a hole (rules 1, 3, 4, 7, 8 and 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from services.logic.domain.model import Answer, StoredMessage, TimelineEntry
from services.logic.usecases.submit_messages import MAX_COMMIT_ENTRIES
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.core.errors import unavailable
from whimbrel.core.ids import compose, worker_of
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.seq_reservations import MemorySeqReservations
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore


async def test_a_message_is_accepted_at_its_place_in_both_timelines() -> None:
    world = World()
    async with running(world.logic()) as logic:
        first = await send(logic, draft("one"))
        second = await send(logic, draft("two", client_id="c2"))
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert (first.seq, second.seq) == (1, 2)
    expected = [(1, first.message_id), (2, second.message_id)]
    assert await world.placed("alice") == await world.placed("bob") == expected


async def test_a_resend_gets_the_first_answer_again_even_when_redis_was_lost() -> None:
    world = World()
    async with running(world.logic()) as logic:
        first = await send(logic, draft())
        await logic.fan_out.wait_idle(1)
        fast = await send(logic, draft(), resend=True)
        world.memory = type(world.memory)()
        world.reservations = MemorySeqReservations()
    async with running(world.logic("logic-1/b")) as other:
        slow = await send(other, draft(), resend=True)
        unflagged = await send(other, draft())
    assert first == fast == slow == unflagged
    assert await world.seqs("bob") == [1]


async def test_the_same_id_twice_in_one_process_joins_the_first_attempt() -> None:
    world = World()
    async with running(world.logic()) as logic:
        outcomes = await asyncio.gather(send(logic, draft()), send(logic, draft(), resend=True))
    assert outcomes[0] == outcomes[1]
    assert await world.seqs("bob") == [1]


async def test_redis_behind_mongodb_costs_a_refused_entry_and_no_hole() -> None:
    world = World()
    async with running(world.logic()) as logic:
        for number in range(5):
            await send(logic, draft(client_id=f"c{number}"))
        failed_over = MemorySeqReservations()
        await failed_over.raise_to({"alice": 2, "bob": 1})
        behind = world.logic("logic-1/b", reservations=failed_over)
        async with running(behind):
            answer = await send(behind, draft(client_id="c9"))
    assert isinstance(answer, Answer)
    assert await world.seqs("alice") == list(range(1, answer.seq + 1))
    assert await world.seqs("bob") == list(range(1, len(await world.seqs("bob")) + 1))
    assert behind.placer.refused_entries > 0


async def test_two_processes_without_redis_keep_every_timeline_dense() -> None:
    class Away(MemorySeqReservations):
        async def reserve(self, counts: Mapping[str, int]) -> dict[str, int]:
            raise unavailable("Redis is away")

    world = World()
    one = world.logic("logic-0/a", reservations=Away())
    other = world.logic("logic-1/b", reservations=Away())
    async with running(one), running(other):
        outcomes = await asyncio.gather(
            *(
                send(one if number % 2 else other, draft(client_id=f"c{number}"))
                for number in range(60)
            )
        )
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    for user in ("alice", "bob"):
        seqs = await world.seqs(user)
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(await world.placed(user)) == 60


async def test_a_commit_has_a_bounded_number_of_entries() -> None:
    """Rule 4: ten messages to a group of 1,000 are two commits."""
    world = World()
    members = [f"m{number}" for number in range(999)]
    await world.conversations.create_group("g:big", "alice", members, "", 0)
    sizes: list[int] = []

    class Counting(MemoryTimelineStore):
        async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
            sizes.append(len(entries))
            return await super().insert(entries)

    world.timelines = Counting()
    async with running(world.logic()) as logic:
        await asyncio.gather(
            *(send(logic, draft(to="g:big", client_id=f"c{number}")) for number in range(10))
        )
    assert max(sizes) == MAX_COMMIT_ENTRIES
    assert await world.seqs("m998") == list(range(1, 11))


async def test_a_reservation_that_got_old_is_dropped_and_made_anew() -> None:
    world = World()

    class Slow(MemorySeqReservations):
        slow = True

        async def reserve(self, counts: Mapping[str, int]) -> dict[str, int]:
            firsts = await super().reserve(counts)
            if firsts and self.slow:
                self.slow = False
                world.clock.now += 1.5
            return firsts

    world.reservations = Slow()
    await world.reservations.raise_to({"alice": 0, "bob": 0})
    async with running(world.logic()) as logic:
        answer = await send(logic, draft())
    assert isinstance(answer, Answer)
    assert answer.seq == 2
    assert await world.seqs("alice") == [1, 2], "the dropped seq has become a void at once"


async def test_an_id_is_never_below_one_that_a_peer_has_seen() -> None:
    """Rule 7: a reply never sorts before its question, whatever the clocks say."""
    world = World()
    question = compose(world.clock.wall_ms() + 60_000, 1023, 4095)
    async with running(world.logic()) as logic:
        logic.use_cases.ids.observe(question)
        answer = await send(logic, draft())
    assert isinstance(answer, Answer)
    assert answer.message_id > question


async def test_a_colliding_id_draws_another() -> None:
    """Rule 8."""
    world = World()

    class Collides(MemoryMessageStore):
        seen: list[int]

        async def _take(self, messages: Sequence[StoredMessage], *, is_durable: bool) -> list[int]:
            self.seen = [*getattr(self, "seen", []), *(one.message_id for one in messages)]
            if messages[0].message_id == self.seen[0]:
                return [0]
            return await super()._take(messages, is_durable=is_durable)

    world.messages = Collides()
    async with running(world.logic()) as logic:
        answer = await send(logic, draft())
    assert isinstance(answer, Answer)
    assert answer.message_id == world.messages.seen[-1] != world.messages.seen[0]


@pytest.mark.parametrize("resend", [False, True])
async def test_a_used_id_with_other_content_is_refused(resend: bool) -> None:
    """Rule 9, by the memory of recent sends and by the unique index."""
    world = World()
    async with running(world.logic()) as logic:
        await send(logic, draft("one"))
        await logic.fan_out.wait_idle(1)
        assert code_of(await send(logic, draft("two"), resend=resend)) == "ID_REUSED"
        elsewhere = draft("one", to="d:alice:carol")
        assert code_of(await send(logic, elsewhere, resend=resend)) == "ID_REUSED"
    assert [seq for seq, _ in await world.placed("bob")] == [1]
    seqs = await world.seqs("bob")
    assert seqs == list(range(1, len(seqs) + 1)), "what was reserved for it is void"


async def test_a_logic_that_lost_its_lease_mints_under_another_number() -> None:
    """Stopped past its lease, declared dead, cleaned up, continued."""
    world = World()
    stopped, survivor = world.logic("logic-0/a"), world.logic("logic-1/b")
    async with running(stopped), running(survivor):
        before = await send(stopped, draft())
        world.clock.now += 11
        await survivor.ids.renew()
        assert await survivor.clean_up.finish_dead()
        after = await send(stopped, draft(client_id="c2"))
    assert isinstance(before, Answer)
    assert isinstance(after, Answer)
    assert after.message_id > before.message_id
    assert await world.seqs("bob") == [1, 2]
    assert worker_of(after.message_id) == stopped.ids.worker
