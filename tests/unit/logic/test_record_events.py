"""What is committed is recorded for the host product, whoever dies and whatever is away."""

from __future__ import annotations

import asyncio
import json

from services.logic.domain.events import events_of
from services.logic.domain.model import ClientKey, Committed, StoredMessage
from services.logic.usecases.commit_messages import Unfinished
from services.logic.usecases.record_events import RecordEvents
from tests.unit.logic.logic_world import World, draft, running, send
from tests.waiting import until
from whimbrel.core.host_events import EventKind
from whimbrel.core.ids import unix_ms_of
from whimbrel.testing.memory_stores.event_outbox import MemoryEventOutbox

WANTED = frozenset(EventKind)


def numbered(outbox: MemoryEventOutbox) -> list[str]:
    rows = sorted(outbox.waiting.values(), key=lambda one: one.order)
    return [json.loads(one.content)["client_message_id"] for one in rows]


async def test_every_committed_message_is_recorded_once() -> None:
    world, outbox = World(), MemoryEventOutbox()
    parts = world.logic(outbox=outbox)
    await parts.ids.renew()
    async with running(parts):
        for number in range(5):
            await send(parts, draft(f"m{number}", client_id=f"c{number}"))
        await send(parts, draft("m4", client_id="c4"), resend=True)
        await until(lambda: len(outbox.waiting) == 5)
    assert numbered(outbox) == [f"c{number}" for number in range(5)]


async def test_what_a_dead_logic_did_not_record_is_recorded_by_a_survivor() -> None:
    world, outbox = World(), MemoryEventOutbox()
    dead = world.logic("logic-0/a")  # without an outbox: it never gets to record
    await dead.ids.renew()
    async with running(dead):
        await send(dead, draft("hello"))
    survivor = world.logic("logic-1/b", outbox=outbox)
    await survivor.ids.renew()
    world.clock.now += 60
    await survivor.ids.renew()
    async with running(survivor):
        assert await survivor.clean_up.finish_dead()
        await until(lambda: outbox.waiting)
    assert numbered(outbox) == ["c1"]


async def test_an_outbox_that_is_away_is_tried_until_it_takes_the_events() -> None:
    world, outbox = World(), MemoryEventOutbox()
    outbox.faults.fail("put", times=3)
    recording = RecordEvents(
        outbox,
        wanted=WANTED,
        with_bodies=False,
        on_dropped=lambda span: None,
        wall_ms=world.clock.wall_ms,
        max_waiting=10,
        sleep=world.clock.sleep,
    )
    task = asyncio.create_task(recording.pipeline.run())
    recording.enqueue([Committed(message(1, b"hello"))])
    await until(lambda: outbox.waiting)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert outbox.faults.reached["put.before"] == 4


async def test_what_does_not_fit_is_left_to_the_clean_up() -> None:
    dropped: list[Unfinished] = []
    recording = RecordEvents(
        MemoryEventOutbox(),
        wanted=WANTED,
        with_bodies=False,
        on_dropped=dropped.append,
        wall_ms=lambda: 0,
        max_waiting=1,
    )
    recording.enqueue([Committed(message(1, b"fits")), Committed(message(1, b"does not"))])
    at_ms = unix_ms_of(1 << 60)
    assert dropped == [Unfinished(at_ms, at_ms)]


def message(kind: int, body: bytes) -> StoredMessage:
    key = ClientKey("alice", "phone", "c1")
    return StoredMessage(1 << 60, key, "g:team", ("alice",), kind, body, 5, b"")


def test_an_event_has_no_body_unless_it_is_asked_for() -> None:
    (without,) = events_of([message(1, b"secret")], with_bodies=False)
    assert without == (
        "1152921504606846976.message.sent",
        "g:team",
        1 << 60,
        5,
        without.content,
    )
    row = json.loads(without.content)
    assert row["message_id"] == "1152921504606846976"
    assert not {"base64", "text"} & row.keys()
    (with_body,) = events_of([message(1, b"secret")], with_bodies=True)
    assert json.loads(with_body.content)["base64"] == "c2VjcmV0"


def test_a_system_message_is_a_change_of_the_group() -> None:
    (event,) = events_of([message(4, b'{"type": "renamed"}')], with_bodies=False)
    row = json.loads(event.content)
    assert (row["type"], row["change"]) == ("group.changed", '{"type": "renamed"}')
