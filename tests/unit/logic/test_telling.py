"""The host product hears of receipts and of presence: what is wanted, once, whoever looks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from services.logic.domain.signals import Signal, SignalKind, Whereabout
from services.logic.parts import LogicParts
from services.logic.usecases.tell_presence import TellPresence
from tests.unit.logic.logic_world import World, draft, running, send
from tests.waiting import until
from whimbrel.runtime.webhook_settings import WebhookSettings
from whimbrel.testing.memory_stores.event_outbox import MemoryEventOutbox

CHAT = "d:alice:bob"
EVERYTHING = "message.sent,message.delivered,message.read,group.changed,user.online,user.offline"


def telling(world: World, outbox: MemoryEventOutbox, events: str = EVERYTHING) -> LogicParts:
    return world.logic(outbox=outbox, asking=WebhookSettings(events=events))


def presence_of(parts: LogicParts) -> TellPresence:
    assert parts.telling is not None
    assert parts.telling.presence is not None
    return parts.telling.presence


def receipt(kind: SignalKind, message_id: int, user: str = "bob") -> Signal:
    return Signal(kind, user, CHAT, "phone", message_id)


def heard(outbox: MemoryEventOutbox) -> list[dict[str, Any]]:
    rows = sorted(outbox.waiting.values(), key=lambda one: (one.key, one.order))
    return [json.loads(one.content) for one in rows]


async def test_a_message_is_sent_then_delivered_then_read() -> None:
    world, outbox = World(), MemoryEventOutbox()
    parts = telling(world, outbox)
    await parts.ids.renew()
    async with running(parts):
        signals = asyncio.create_task(parts.use_cases.signals.pipeline.run())
        answer = await send(parts, draft("hello"))
        message_id = answer.message_id  # type: ignore[union-attr]
        parts.use_cases.signals.offer(receipt(SignalKind.READ, message_id))
        parts.use_cases.signals.offer(receipt(SignalKind.DELIVERED, message_id))
        await until(lambda: len(outbox.waiting) == 3)
        signals.cancel()
        await asyncio.gather(signals, return_exceptions=True)
    events = heard(outbox)
    assert [one["type"] for one in events] == [
        "message.sent",
        "message.delivered",
        "message.read",
    ]
    assert {one["message_id"] for one in events} == {str(message_id)}
    assert {one["conversation"] for one in events} == {CHAT}
    assert [one.get("user") for one in events] == [None, "bob", "bob"]


async def test_a_receipt_is_in_order_though_the_clock_of_its_pod_is_behind() -> None:
    world, outbox = World(), MemoryEventOutbox()
    parts = telling(world, outbox)
    await parts.ids.renew()
    async with running(parts):
        answer = await send(parts, draft("hello"))
        world.clock.skew_ms = -60_000
        message_id = answer.message_id  # type: ignore[union-attr]
        await parts.signals.passing.read(receipt(SignalKind.READ, message_id))
        await until(lambda: len(outbox.waiting) == 2)
    assert [one["type"] for one in heard(outbox)] == ["message.sent", "message.read"]


async def test_a_read_that_could_not_be_recorded_is_told_to_nobody() -> None:
    world, outbox = World(), MemoryEventOutbox()
    world.whereabouts.devices["alice"] = [Whereabout("access-0", "phone")]
    parts = telling(world, outbox)
    await parts.ids.renew()
    async with running(parts):
        signals = asyncio.create_task(parts.use_cases.signals.pipeline.run())
        answer = await send(parts, draft("hello"))
        read = receipt(SignalKind.READ, answer.message_id)  # type: ignore[union-attr]
        await until(lambda: outbox.waiting)
        outbox.faults.fail("put")
        parts.use_cases.signals.offer(read)
        await until(lambda: parts.use_cases.signals.dropped == 1)
        assert not world.outlet.signals
        parts.use_cases.signals.offer(read)  # its client says it again
        await until(lambda: world.outlet.signals)
        signals.cancel()
        await asyncio.gather(signals, return_exceptions=True)
    assert [one["type"] for one in heard(outbox)] == ["message.sent", "message.read"]


async def test_only_what_is_wanted_is_recorded() -> None:
    world, outbox = World(), MemoryEventOutbox()
    parts = telling(world, outbox, "message.read")
    await parts.ids.renew()
    assert parts.telling is not None
    assert parts.telling.presence is None
    async with running(parts):
        answer = await send(parts, draft("hello"))
        message_id = answer.message_id  # type: ignore[union-attr]
        await parts.signals.passing.read(receipt(SignalKind.READ, message_id))
        assert await parts.wait_idle(5)
    assert [one["type"] for one in heard(outbox)] == ["message.read"]


async def test_nobody_who_wants_messages_alone_pays_for_the_rest() -> None:
    world, outbox = World(), MemoryEventOutbox()
    parts = world.logic(outbox=outbox)
    assert parts.telling is not None
    assert (parts.telling.receipts, parts.telling.presence) == (None, None)


async def test_a_user_comes_and_goes_once_whichever_pods_look() -> None:
    world, outbox = World(), MemoryEventOutbox()
    looks = [presence_of(telling(world, outbox)) for _ in range(3)]
    world.whereabouts.devices["alice"] = [Whereabout("access-0", "phone")]
    await asyncio.gather(*(one.look_at(["alice", "bob"]) for one in looks))
    world.whereabouts.devices["alice"].append(Whereabout("access-1", "desktop"))
    await looks[1].look_at(["alice"])
    world.whereabouts.devices["alice"] = []
    await asyncio.gather(*(one.look_at(["alice"]) for one in looks))
    assert [one["type"] for one in heard(outbox)] == ["user.online"]
    world.clock.now += 30
    await asyncio.gather(*(one.look_at_due() for one in looks))
    assert [(one["type"], one["user"]) for one in heard(outbox)] == [
        ("user.online", "alice"),
        ("user.offline", "alice"),
    ]


async def test_who_disappears_with_a_pod_that_says_nothing_is_found() -> None:
    world, outbox = World(), MemoryEventOutbox()
    look = presence_of(telling(world, outbox))
    world.whereabouts.devices["alice"] = [Whereabout("access-0", "phone")]
    await look.look_at(["alice"])
    world.whereabouts.devices.clear()  # its pod was killed
    for _ in range(4):
        world.clock.now += 60
        await look.look_at_due()
    assert [one["type"] for one in heard(outbox)] == ["user.online", "user.offline"]


async def test_a_turn_whose_pod_died_before_it_told_it_is_told_by_another() -> None:
    world, outbox = World(), MemoryEventOutbox()
    dying, other = (presence_of(telling(world, outbox)) for _ in range(2))
    world.whereabouts.devices["alice"] = [Whereabout("access-0", "phone")]
    outbox.faults.fail("put")
    await asyncio.gather(dying.look_at(["alice"]), return_exceptions=True)
    assert not outbox.waiting
    world.clock.now += 5
    await other.look_at_due()
    assert [one["type"] for one in heard(outbox)] == ["user.online"]


async def test_a_lookup_that_fails_never_means_offline() -> None:
    world, outbox = World(), MemoryEventOutbox()
    look = presence_of(telling(world, outbox))
    world.whereabouts.devices["alice"] = [Whereabout("access-0", "phone")]
    await look.look_at(["alice"])
    world.whereabouts.faults.fail("whereabouts")
    task = asyncio.create_task(look.pipeline.run())
    look.changed("alice")
    assert await look.pipeline.wait_idle(5), "it was tried again"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    found = await world.standings.find(["alice"])
    assert found["alice"].is_online
    assert not found["alice"].away_since_ms
