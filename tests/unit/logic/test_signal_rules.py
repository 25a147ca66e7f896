"""Who is told what is said beside the messages, and what is stored before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from services.logic.domain.people import Audience, Privacy
from services.logic.domain.signals import PresenceState, Signal, SignalKind, Watch, Whereabout
from services.logic.parts import LogicParts
from services.logic.usecases.pass_signals import MAX_TOLD, MAX_WAITING
from tests.unit.logic.logic_world import World, draft, running, send

CHAT = "d:alice:bob"
EVERYBODY = Privacy(presence=Audience.EVERYBODY)


def typing(user: str = "alice", conversation: str = CHAT) -> Signal:
    return Signal(SignalKind.TYPING, user, conversation, "phone")


def read(user: str, message_id: int, conversation: str = CHAT) -> Signal:
    return Signal(SignalKind.READ, user, conversation, "phone", message_id)


def everybody_on(world: World, pod: str, *users: str) -> None:
    for user in users:
        world.whereabouts.devices[user] = [Whereabout(pod, "phone")]


@asynccontextmanager
async def signalling(world: World) -> AsyncIterator[LogicParts]:
    async with running(world.logic()) as parts:
        use = parts.use_cases
        tasks = [
            asyncio.create_task(pipeline.run())
            for pipeline in (use.signals.pipeline, use.presence.watches, use.presence.changes)
        ]
        yield parts
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def settle(parts: LogicParts) -> None:
    use = parts.use_cases
    for pipeline in (use.signals.pipeline, use.presence.watches, use.presence.changes):
        assert await pipeline.wait_idle(5)


def told(world: World) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(pod, signal.kind.value, users) for pod, signal, users in world.outlet.signals]


async def test_typing_is_told_to_the_others_where_they_are() -> None:
    world = World()
    everybody_on(world, "access-1", "alice", "bob")
    async with signalling(world) as parts:
        parts.use_cases.signals.offer(typing())
        parts.use_cases.signals.offer(typing("mallory"))  # no member: heard by nobody
        parts.use_cases.signals.offer(typing("alice", "g:nobody-made-it"))
        await settle(parts)
    assert told(world) == [("access-1", "typing", ("bob",))]


async def test_a_read_is_stored_before_it_is_told() -> None:
    world = World()
    everybody_on(world, "access-0", "alice", "bob")
    async with signalling(world) as parts:
        answer = await send(parts, draft("hello"))
        message_id = answer.message_id  # type: ignore[union-attr]
        parts.use_cases.signals.offer(read("bob", message_id))
        await settle(parts)
        assert await world.reads.find("bob") == {CHAT: 1}
        assert await world.receipts.find(CHAT) == {"bob": message_id}
        assert told(world) == [("access-0", "read", ("alice", "bob"))]
        listed = await parts.signals.list_reads.list("alice", CHAT)
        assert [(one.user, one.message_id) for one in listed] == [("bob", message_id)]


async def test_a_read_of_what_one_never_got_is_nothing() -> None:
    world = World()
    everybody_on(world, "access-0", "alice", "bob", "carol")
    async with signalling(world) as parts:
        answer = await send(parts, draft("hello"))
        message_id = answer.message_id  # type: ignore[union-attr]
        for one in (read("carol", message_id), read("bob", 7), read("bob", message_id, "g:1")):
            parts.use_cases.signals.offer(one)
        await settle(parts)
    assert told(world) == []
    assert await world.receipts.find(CHAT) == {}


async def test_a_read_that_cannot_be_stored_is_told_to_nobody() -> None:
    world = World()
    everybody_on(world, "access-0", "alice", "bob")
    async with signalling(world) as parts:
        answer = await send(parts, draft("hello"))
        message_id = answer.message_id  # type: ignore[union-attr]
        world.receipts.faults.away = True
        parts.use_cases.signals.offer(read("bob", message_id))
        await settle(parts)
        assert told(world) == []
        assert parts.use_cases.signals.dropped == 1
        world.receipts.faults.away = False
        parts.use_cases.signals.offer(read("bob", message_id))
        await settle(parts)
    assert told(world) == [("access-0", "read", ("alice", "bob"))]


@pytest.mark.parametrize("others", [MAX_TOLD - 1, MAX_TOLD])
async def test_in_a_large_group_reading_concerns_ones_own_devices_alone(others: int) -> None:
    world = World()
    members = [f"user-{number}" for number in range(others)]
    everybody_on(world, "access-0", "alice", *members)
    async with signalling(world) as parts:
        group = await parts.groups.create("alice", members, "", "one")
        answer = await send(parts, draft("hello", to=group))
        parts.use_cases.signals.offer(
            read("alice", answer.message_id, group)  # type: ignore[union-attr]
        )
        parts.use_cases.signals.offer(typing("alice", group))
        await settle(parts)
    is_small = others < MAX_TOLD
    sizes = [(kind, len(users)) for _, kind, users in told(world)]
    assert sizes == ([("read", MAX_TOLD), ("typing", MAX_TOLD - 1)] if is_small else [("read", 1)])


async def test_of_what_waits_only_the_newest_is_told() -> None:
    world = World()
    everybody_on(world, "access-0", "bob")
    async with running(world.logic()) as parts:
        signals = parts.use_cases.signals
        for message_id in (5, 7, 6):
            signals.offer(Signal(SignalKind.DELIVERED, "alice", CHAT, "phone", message_id))
        loop = asyncio.create_task(signals.pipeline.run())
        assert await signals.pipeline.wait_idle(5)
        loop.cancel()
    assert [signal.message_id for _, signal, _ in world.outlet.signals] == [7]


async def test_too_many_signals_are_dropped_and_counted() -> None:
    world = World()
    parts = world.logic()
    for number in range(MAX_WAITING + 10):
        parts.use_cases.signals.offer(typing(f"user-{number}"))
    assert parts.use_cases.signals.dropped == 10


async def test_a_router_that_is_away_costs_the_signal_and_nothing_else() -> None:
    world = World()
    everybody_on(world, "access-0", "bob")
    world.whereabouts.faults.fail("whereabouts")
    async with signalling(world) as parts:
        parts.use_cases.signals.offer(typing())
        await settle(parts)
        assert (parts.use_cases.signals.dropped, told(world)) == (1, [])
        parts.use_cases.signals.offer(typing())
        await settle(parts)
    assert told(world) == [("access-0", "typing", ("bob",))]


class Viewer:
    """The link of a pod whose device watches."""

    pod_id = "access-0"

    def __init__(self) -> None:
        self.shown: list[tuple[Watch, list[PresenceState]]] = []

    def show(self, watch: Watch, states: Sequence[PresenceState]) -> None:
        self.shown.append((watch, list(states)))


async def test_who_watches_hears_of_those_who_may_be_seen() -> None:
    world = World()
    everybody_on(world, "access-1", "bob", "carol")
    await world.people.privacy.put("bob", EVERYBODY)  # carol shows herself to friends alone
    parts = world.logic()
    presence, viewer = parts.use_cases.presence, Viewer()
    watch = Watch("alice", "phone", ("bob", "carol"))
    loops = [
        asyncio.create_task(presence.watches.run()),
        asyncio.create_task(presence.changes.run()),
    ]
    presence.watch(viewer, watch)
    assert await presence.watches.wait_idle(5)
    assert viewer.shown == [(watch, [PresenceState("bob", ("phone",), 0)])]
    world.whereabouts.devices.clear()
    for user in ("bob", "carol", "dave"):
        presence.changed(user)
    assert await presence.changes.wait_idle(5)
    gone = PresenceState("bob", (), world.clock.wall_ms())
    assert world.outlet.presences == [("access-0", gone)]
    world.clock.now += 91
    presence.changed("bob")
    assert await presence.changes.wait_idle(5)
    assert len(world.outlet.presences) == 1, "nobody has asked again for 90 s"
    for loop in loops:
        loop.cancel()


async def test_a_lost_change_is_made_up_for_by_the_next_question() -> None:
    world = World()
    await world.people.privacy.put("bob", EVERYBODY)
    parts = world.logic()
    presence, viewer = parts.use_cases.presence, Viewer()
    loops = [
        asyncio.create_task(presence.watches.run()),
        asyncio.create_task(presence.changes.run()),
    ]
    watch = Watch("alice", "phone", ("bob",))
    presence.watch(viewer, watch)
    assert await presence.watches.wait_idle(5)
    world.watchers.faults.fail("find")
    everybody_on(world, "access-1", "bob")
    presence.changed("bob")
    assert await presence.changes.wait_idle(5)
    assert (presence.dropped, world.outlet.presences) == (1, [])
    presence.watch(viewer, watch)
    assert await presence.watches.wait_idle(5)
    assert viewer.shown[-1][1] == [PresenceState("bob", ("phone",), 0)]
    for loop in loops:
        loop.cancel()
