"""The interleavings that break a naive commit (rules 1 to 9), each played once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from services.logic.domain.model import Answer, StoredMessage, TimelineEntry
from services.logic.parts import LogicParts
from services.logic.usecases.submit_messages import MAX_COMMIT_ENTRIES
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.core.ids import compose, worker_of
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.seq_reservations import MemorySeqReservations
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


class DiesBeforeEntries(MemoryTimelineStore):
    """Never gets to insert: its process is as good as dead from here on."""

    async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
        await asyncio.Event().wait()
        raise AssertionError


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


async def test_the_same_id_twice_in_one_process_joins_the_first_attempt() -> None:
    world = World()
    async with running(world.logic()) as logic:
        outcomes = await asyncio.gather(send(logic, draft()), send(logic, draft(), resend=True))
    assert outcomes[0] == outcomes[1]
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
