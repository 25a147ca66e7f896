"""What the two ends of the outbox of events promise, on memory and on MongoDB."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from services.logic.adapters.event_outbox_mongo import MongoEventOutbox
from services.logic.domain.events import HostEvent
from services.logic.webhook_ports import EventOutbox
from services.push.adapters.event_queue_mongo import MongoEventQueue
from services.push.adapters.event_records_mongo import MongoEventRecords
from services.push.webhook_ports import EventQueue, EventRecords
from tests.contract.conftest import OpenDatabase
from whimbrel.testing.memory_stores.event_outbox import MemoryEventOutbox

ME, OTHER = "push-0/a#0", "push-1/b#0"
LEASE_MS = 1000


class Ends(NamedTuple):
    outbox: EventOutbox
    queue: EventQueue
    records: EventRecords


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def ends(request: pytest.FixtureRequest, open_database: OpenDatabase) -> AsyncIterator[Ends]:
    if request.param == "memory":
        both = MemoryEventOutbox()
        yield Ends(both, both, both)
        return
    database = await open_database(request.param)
    outbox = MongoEventOutbox(database)
    await outbox.prepare()
    await outbox.prepare()
    yield Ends(outbox, MongoEventQueue(database), MongoEventRecords(database))


def event(order: int, key: str = "d:alice:bob", at_ms: int = 100) -> HostEvent:
    return HostEvent(f"{order}.message.sent", key, order, at_ms, f'{{"n": {order}}}')


async def contents(queue: EventQueue, key: str = "d:alice:bob", limit: int = 100) -> list[str]:
    page = await queue.page(key, now_ms=10_000, limit=limit)
    return [one.content for one in page]


async def test_events_of_a_key_are_in_the_order_of_their_numbers(ends: Ends) -> None:
    # As text 10 would be before 9; and pods put them in any order.
    await ends.outbox.put([event(10), event(9)], due_ms=0)
    await ends.outbox.put([event(1 << 60), event(2)], due_ms=0)
    expected = [f'{{"n": {n}}}' for n in (2, 9, 10, 1 << 60)]
    assert await contents(ends.queue) == expected
    assert await contents(ends.queue, limit=2) == expected[:2]


async def test_an_event_that_is_put_again_waits_once(ends: Ends) -> None:
    await ends.outbox.put([event(1)], due_ms=0)
    await ends.outbox.put([event(1), event(2)], due_ms=0)
    assert await contents(ends.queue) == ['{"n": 1}', '{"n": 2}']


async def test_events_are_left_out_until_they_are_due(ends: Ends) -> None:
    await ends.outbox.put([event(1)], due_ms=100)
    await ends.outbox.put([event(1), event(2)], due_ms=200)
    for now_ms, expected in ((99, []), (199, [1]), (200, [1, 2])):
        page = await ends.queue.page("d:alice:bob", now_ms=now_ms, limit=100)
        assert [one.content for one in page] == [f'{{"n": {n}}}' for n in expected]


async def test_a_key_is_nobody_elses_until_its_lease_ends(ends: Ends) -> None:
    await ends.outbox.put([event(1)], due_ms=50)
    assert await ends.queue.take(ME, now_ms=49, lease_ms=LEASE_MS) is None
    taken = await ends.queue.take(ME, now_ms=50, lease_ms=LEASE_MS)
    assert taken is not None
    assert (taken.key, taken.attempts) == ("d:alice:bob", 0)
    assert await ends.queue.take(OTHER, now_ms=1049, lease_ms=LEASE_MS) is None
    assert await ends.queue.take(OTHER, now_ms=1050, lease_ms=LEASE_MS) is not None


async def test_the_key_that_is_due_for_longest_comes_first(ends: Ends) -> None:
    await ends.outbox.put([event(1, "g:late")], due_ms=60)
    await ends.outbox.put([event(2, "g:early")], due_ms=50)
    keys = []
    for _ in range(2):
        taken = await ends.queue.take(ME, now_ms=100, lease_ms=LEASE_MS)
        assert taken is not None
        keys.append(taken.key)
    assert keys == ["g:early", "g:late"]


async def test_a_key_that_is_given_back_is_due_when_said_and_counts_its_failures(
    ends: Ends,
) -> None:
    await ends.outbox.put([event(1)], due_ms=0)
    taken = await ends.queue.take(ME, now_ms=0, lease_ms=LEASE_MS)
    assert taken is not None
    await ends.queue.release(taken, ME, due_ms=500, attempts=3)
    # An event that comes meanwhile does not make a failing key due.
    await ends.outbox.put([event(2)], due_ms=10)
    assert await ends.queue.take(OTHER, now_ms=499, lease_ms=LEASE_MS) is None
    again = await ends.queue.take(OTHER, now_ms=500, lease_ms=LEASE_MS)
    assert again is not None
    assert again.attempts == 3


async def test_who_lost_the_lease_gives_nothing_back(ends: Ends) -> None:
    await ends.outbox.put([event(1)], due_ms=0)
    lost = await ends.queue.take(ME, now_ms=0, lease_ms=LEASE_MS)
    assert lost is not None
    assert await ends.queue.take(OTHER, now_ms=LEASE_MS, lease_ms=LEASE_MS) is not None
    await ends.queue.release(lost, ME, due_ms=0, attempts=0)
    await ends.queue.remove([event(1).event_id])
    await ends.queue.finish(lost, ME, due_ms=0)
    assert await ends.queue.take(ME, now_ms=LEASE_MS + 1, lease_ms=LEASE_MS) is None
    assert await ends.queue.take(ME, now_ms=2 * LEASE_MS, lease_ms=LEASE_MS) is not None


async def test_a_key_without_events_is_gone_and_comes_back_with_the_next(ends: Ends) -> None:
    await ends.outbox.put([event(1)], due_ms=0)
    taken = await ends.queue.take(ME, now_ms=0, lease_ms=LEASE_MS)
    assert taken is not None
    await ends.queue.remove([event(1).event_id])
    await ends.queue.finish(taken, ME, due_ms=0)
    assert await ends.queue.take(ME, now_ms=5000, lease_ms=LEASE_MS) is None
    await ends.outbox.put([event(2)], due_ms=0)
    assert await ends.queue.take(ME, now_ms=5000, lease_ms=LEASE_MS) is not None


async def test_an_event_that_comes_while_its_key_is_finished_is_not_forgotten(ends: Ends) -> None:
    await ends.outbox.put([event(1)], due_ms=0)
    taken = await ends.queue.take(ME, now_ms=0, lease_ms=LEASE_MS)
    assert taken is not None
    await ends.queue.remove([event(1).event_id])
    await ends.outbox.put([event(2)], due_ms=0)
    await ends.queue.finish(taken, ME, due_ms=700)
    again = await ends.queue.take(ME, now_ms=700, lease_ms=LEASE_MS)
    assert again is not None
    assert await contents(ends.queue) == ['{"n": 2}']


async def test_a_dead_letter_does_not_come_back(ends: Ends) -> None:
    await ends.outbox.put([event(1), event(2)], due_ms=0)
    await ends.queue.bury([event(1).event_id])
    await ends.outbox.put([event(1)], due_ms=0)
    assert await contents(ends.queue) == ['{"n": 2}']


async def test_the_state_says_what_waits_and_for_how_long_nobody_has_taken_it(ends: Ends) -> None:
    assert await ends.outbox.state(now_ms=500) == (0, 0, 0, 0)
    await ends.outbox.put([event(1, at_ms=90), event(2, at_ms=80), event(3)], due_ms=100)
    assert await ends.outbox.state(now_ms=99) == (3, 0, 80, 0)
    assert await ends.outbox.state(now_ms=160) == (3, 0, 80, 60)
    await ends.queue.bury([event(2).event_id])
    taken = await ends.queue.take(ME, now_ms=160, lease_ms=LEASE_MS)
    assert taken is not None
    assert await ends.outbox.state(now_ms=170) == (2, 1, 90, 0)
    await ends.queue.release(taken, ME, due_ms=300, attempts=1)
    assert await ends.outbox.state(now_ms=299) == (2, 1, 90, 0)
    assert await ends.outbox.state(now_ms=310) == (2, 1, 90, 10)


async def test_an_operator_sees_what_waits_and_what_is_dead(ends: Ends) -> None:
    await ends.outbox.put([event(2), event(1), event(3, "g:team")], due_ms=50)
    await ends.queue.bury([event(3).event_id])
    taken = await ends.queue.take(ME, now_ms=50, lease_ms=LEASE_MS)
    assert taken is not None
    await ends.queue.release(taken, ME, due_ms=900, attempts=4)
    rows = await ends.records.list_events(is_dead=False, after="", limit=10)
    assert rows == [(f"{n}.message.sent", "d:alice:bob", 100, 4, 900) for n in (1, 2)]
    first = rows[0].event_id
    assert await ends.records.list_events(is_dead=False, after=first, limit=10) == rows[1:]
    assert await ends.records.list_events(is_dead=False, after="", limit=1) == rows[:1]
    dead = await ends.records.list_events(is_dead=True, after="", limit=10)
    assert dead == [("3.message.sent", "g:team", 100, 0, 0)]


async def test_a_dead_letter_that_is_revived_waits_again_and_its_key_begins_anew(
    ends: Ends,
) -> None:
    await ends.outbox.put([event(1), event(2)], due_ms=0)
    taken = await ends.queue.take(ME, now_ms=0, lease_ms=LEASE_MS)
    assert taken is not None
    await ends.queue.bury([event(1).event_id])
    await ends.queue.remove([event(2).event_id])
    await ends.queue.finish(taken, ME, due_ms=0)
    assert await ends.records.revive(["1.message.sent", "2.message.sent"], now_ms=700) == 1
    assert await ends.records.revive(["1.message.sent"], now_ms=700) == 0
    again = await ends.queue.take(ME, now_ms=700, lease_ms=LEASE_MS)
    assert again is not None
    assert (again.key, again.attempts) == ("d:alice:bob", 0)
    page = await ends.queue.page("d:alice:bob", now_ms=700, limit=10)
    assert [one.content for one in page] == ['{"n": 1}']


async def test_what_waits_for_its_next_attempt_can_be_hurried(ends: Ends) -> None:
    await ends.outbox.put([event(1), event(2, "g:team")], due_ms=0)
    taken = await ends.queue.take(ME, now_ms=0, lease_ms=LEASE_MS)
    assert taken is not None
    await ends.queue.release(taken, ME, due_ms=90_000, attempts=7)
    assert await ends.records.hurry(now_ms=5_000) == 1
    assert await ends.records.hurry(now_ms=5_000) == 0
    keys = {
        one.key
        for _ in range(2)
        if (one := await ends.queue.take(ME, now_ms=5_000, lease_ms=LEASE_MS)) is not None
    }
    assert keys == {"d:alice:bob", "g:team"}
