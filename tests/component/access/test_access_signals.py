"""Signals between scripted clients and a scripted Logic: who gets them, who never does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.component.access.access_world import ScriptedClient, World, access_world, ack
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import signals_pb2

CHAT = "d:alice:bob"
KNOWS = access_pb2.SignalWishes()
Frame = access_pb2.ConnectRequest


def read(message_id: int, conversation: str = CHAT) -> Frame:
    return Frame(read=access_pb2.Read(conversation_id=conversation, message_id=message_id))


def typing(conversation: str = CHAT, **fields: Any) -> Frame:
    return Frame(typing=signals_pb2.Typing(conversation_id=conversation, **fields))


def watch(*users: str) -> Frame:
    return Frame(watch=access_pb2.Watch(user_ids=users))


def receipt(user: str, message_id: int) -> signals_pb2.ReadReceipt:
    return signals_pb2.ReadReceipt(conversation_id=CHAT, user_id=user, message_id=message_id)


def say(world: World, *users: str, device: str = "", **kind: Any) -> None:
    batch = logic_pb2.LinkResponse()
    batch.signals.add(signal=signals_pb2.Signal(**kind), user_ids=users, except_device_id=device)
    world.logic.say(batch)


async def knowing(world: World, user: str = "bob", **fields: Any) -> ScriptedClient:
    return await world.attached(user, signals=KNOWS, **fields)


async def test_what_devices_say_names_the_user_of_the_stream(tmp_path: Path) -> None:
    async with access_world(tmp_path, ack_flush_seconds=0.05) as world:
        bob = await knowing(world)
        await bob.say(typing(user_id="mallory"), read(7), read(9), read(8))
        await world.logic.until(lambda: len(world.logic.signals) == 2)
        typed, told = world.logic.signals
        assert typed.signal.typing.user_id == "bob"
        assert told.signal.read == receipt("bob", 9)
        assert typed.device_id == told.device_id == "phone"


async def test_a_client_that_knows_no_signals_gets_none(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        old = await world.client()
        assert not (await old.attach()).signals
        new = await world.client()
        assert (await new.attach(device_id="desk", signals=KNOWS)).signals
        say(world, "bob", read=receipt("alice", 7))
        assert [one.read for one in (await new.expect("signals")).signals] == [receipt("alice", 7)]
        world.logic.write("bob", 1)
        world.logic.push("bob", 1)
        await old.expect("deliver")


async def test_who_said_it_is_not_told(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        phone, desk = await knowing(world), await knowing(world, device_id="desk")
        stopped = signals_pb2.Typing(conversation_id=CHAT, user_id="bob", has_stopped=True)
        say(world, "bob", device="phone", typing=stopped)
        say(world, "bob", read=receipt("bob", 7))
        assert (await desk.expect("signals")).signals[0].typing == stopped
        assert (await phone.expect("signals")).signals[0].read == receipt("bob", 7)


async def test_a_delivered_receipt_follows_the_ack(tmp_path: Path) -> None:
    async with access_world(tmp_path, ack_flush_seconds=0.05) as world:
        world.logic.write("bob", 1, 2)
        bob = await world.client()
        await bob.attach(signals=access_pb2.SignalWishes(delivered=True))
        await bob.seqs(2)
        await bob.say(ack(2))
        await world.logic.until(lambda: bool(world.logic.signals))
        (told,) = world.logic.signals
        assert told.signal.delivered.conversation_id == CHAT
        assert told.signal.delivered.message_id == 2


async def test_presence_is_asked_for_and_said_when_it_changes(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        bob = await knowing(world)
        await bob.say(watch("alice", "carol"))
        await world.logic.until(lambda: bool(world.logic.watches))
        (asked,) = world.logic.watches
        assert (asked.viewer_id, asked.device_id) == ("bob", "phone")
        assert list(asked.user_ids) == ["alice", "carol"]
        there = signals_pb2.Presence(user_id="alice", platforms=["phone"])
        answer = logic_pb2.LinkResponse()
        answer.watch_results.add(viewer_id="bob", device_id="phone", presences=[there])
        world.logic.say(answer)
        assert (await bob.expect("signals")).signals[0].presence == there
        say(world, presence=there)  # no news
        say(world, presence=signals_pb2.Presence(user_id="carol"))  # may not be seen
        gone = signals_pb2.Presence(user_id="alice", last_seen_ms=5)
        say(world, presence=gone)
        assert [one.presence for one in (await bob.expect("signals")).signals] == [gone]


async def test_pods_say_who_has_come_and_gone(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        bob = await world.attached()
        await world.logic.until(lambda: world.logic.presence_changes == ["bob"])
        await bob.say(Frame(bye=access_pb2.Bye()))
        await world.logic.until(lambda: world.logic.presence_changes == ["bob", "bob"])
        assert [one.user_id for one in world.router.detached] == ["bob"]


@pytest.mark.parametrize(
    "frame",
    [
        read(0),
        read(2**63),
        read(5, "nowhere"),
        typing(""),
        watch("a b"),
        watch("alice", "alice"),
        watch(*(f"user-{number}" for number in range(201))),
    ],
)
async def test_signals_that_break_a_rule_close_the_stream(tmp_path: Path, frame: Frame) -> None:
    async with access_world(tmp_path) as world:
        bob = await knowing(world)
        await bob.say(frame)
        assert (await bob.closed()).code == access_pb2.CLOSE_CODE_INVALID_FRAME


async def test_signals_of_a_client_that_has_not_said_so_close_the_stream(tmp_path: Path) -> None:
    async with access_world(tmp_path) as world:
        bob = await world.attached()
        await bob.say(read(5))
        assert (await bob.closed()).code == access_pb2.CLOSE_CODE_UNKNOWN_FRAME
