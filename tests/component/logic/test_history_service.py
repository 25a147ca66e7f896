"""HistoryService on real stores: counts and what is undelivered stay right when Redis is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.component.logic.history_world import CHAT, HistoryWorld, eventually, history_world
from whimbrel.api.history.v1 import history_pb2 as pb


@pytest.fixture
async def world(redis_url: str, mongo_url: str) -> AsyncIterator[HistoryWorld]:
    async with history_world(redis_url, mongo_url) as world:
        yield world


async def test_acknowledged_is_not_read(world: HistoryWorld) -> None:
    ids = [await world.send(text) for text in ("one", "two", "three")]
    await eventually(world.listed, {CHAT: ("three", 3, 3)})
    await world.acknowledge("bob", 3)
    await eventually(world.listed, {CHAT: ("three", 3, 0)})
    read = await world.history.MarkRead(
        pb.MarkReadRequest(caller_id="bob", conversation_id=CHAT, message_id=ids[1])
    )
    assert (read.unread, read.seq) == (1, 2)
    assert await world.listed() == {CHAT: ("three", 1, 0)}
    assert await world.listed("alice") == {CHAT: ("three", 0, 0)}


async def test_a_message_that_is_sent_again_counts_once(world: HistoryWorld) -> None:
    first = await world.send("once", client_id="same")
    assert await world.send("once", client_id="same") == first
    await world.send("twice")
    await eventually(world.listed, {CHAT: ("twice", 2, 2)})


async def test_a_voided_seq_and_a_conversation_of_others_do_not_count(world: HistoryWorld) -> None:
    group = await world.group("carol")
    await world.send("not for bob", to=group)
    await world.redis.incr("head:{bob}")
    await world.send("after a hole")
    await eventually(world.listed, {CHAT: ("after a hole", 1, 1)})


async def test_an_ack_on_the_stream_leaves_nothing_to_pull(world: HistoryWorld) -> None:
    group = await world.group("bob", "carol")
    await world.send("hi")
    await world.send("all", to=group)
    await eventually(world.recent, {group: ["all"], CHAT: ["hi"]})
    await world.acknowledge("bob", 2)
    await eventually(world.recent, {})
    assert await world.index() == {}


async def test_a_pull_mark_leaves_the_same_index_as_an_ack(world: HistoryWorld) -> None:
    group = await world.group("bob", "carol")
    last = {CHAT: 0, group: 0}
    for n in range(3):
        last[CHAT] = await world.send(f"chat {n}")
        last[group] = await world.send(f"group {n}", to=group)
    rest = await world.send("later", to=group)
    wanted = {group: [f"group {n}" for n in range(3)] + ["later"]}
    await eventually(world.recent, {**wanted, CHAT: [f"chat {n}" for n in range(3)]})
    await eventually(lambda: world.recent("carol"), wanted)

    marked = await world.history.MarkPulled(pb.MarkPulledRequest(caller_id="bob", message_ids=last))
    removed = {one.conversation_id: (one.removed, one.left) for one in marked.conversations}
    assert removed == {CHAT: (3, 0), group: (3, 1)}
    by_pull = await world.index("bob")
    # Carol has the group alone, so that her seqs are others; her device acknowledges the three.
    await world.acknowledge("carol", 3)
    await eventually(lambda: world.recent("carol"), {group: ["later"]})
    by_ack = await world.index("carol")
    assert by_pull == {
        "undelivered:{bob}": {group.encode(): b"1"},
        f"undelivered:{{bob}}:{group}": [(str(rest).encode(), 7.0)],
    }
    assert by_ack == {
        "undelivered:{carol}": {group.encode(): b"1"},
        f"undelivered:{{carol}}:{group}": [(str(rest).encode(), 4.0)],
    }
    # The cursor of no device has moved: a stream still brings everything.
    assert await world.database["cursors"].find({"user": "bob"}).to_list(None) == []


async def test_everything_is_the_same_after_redis_was_lost(world: HistoryWorld) -> None:
    group = await world.group("bob")
    ids = [await world.send(f"chat {n}") for n in range(4)]
    in_group = [await world.send(f"group {n}", to=group) for n in range(3)]
    await world.send("mine", sender="bob", to=group)
    await eventually(world.listed, {group: ("mine", 3, 3), CHAT: ("chat 3", 4, 4)})
    await world.history.MarkRead(
        pb.MarkReadRequest(caller_id="bob", conversation_id=CHAT, message_id=ids[0])
    )
    pulled = pb.MarkPulledRequest(caller_id="bob", message_ids={group: in_group[1]})
    await world.history.MarkPulled(pulled)
    listed, recent = await world.listed(), await world.recent()
    assert listed == {group: ("mine", 3, 1), CHAT: ("chat 3", 3, 3)}
    assert recent == {group: ["group 2"], CHAT: ["chat 1", "chat 2", "chat 3"]}
    index = await world.index()

    await world.redis.flushall()
    assert await world.listed() == listed
    assert await world.recent() == recent
    assert await world.index() == index

    await world.redis.flushall()
    await world.send("after the flush")
    await eventually(world.listed, {CHAT: ("after the flush", 4, 4), group: ("mine", 3, 1)})
    assert (await world.recent())[CHAT] == ["chat 1", "chat 2", "chat 3", "after the flush"]


async def test_redis_may_be_flushed_at_any_moment_of_a_conversation(world: HistoryWorld) -> None:
    for n in range(1, 61):
        await world.send(str(n))
        if n % 7 == 0:
            await world.redis.flushall()
        if n % 5 == 0:
            await asyncio.gather(world.listed(), world.recent(), world.redis.flushall())
    await eventually(world.listed, {CHAT: ("60", 60, 60)})
    await eventually(world.recent, {CHAT: [str(n) for n in range(1, 61)]})


async def test_counts_are_rebuilt_by_command_for_one_and_for_all(world: HistoryWorld) -> None:
    await world.send("hi")
    await eventually(world.listed, {CHAT: ("hi", 1, 1)})
    await world.redis.flushall()
    one = await world.history.Rebuild(pb.RebuildRequest(user_id="bob"))
    assert (one.rebuilt, one.next_after) == (1, "")
    first = await world.history.Rebuild(pb.RebuildRequest(limit=1))
    assert (first.rebuilt, first.next_after) == (1, "alice")
    last = await world.history.Rebuild(pb.RebuildRequest(limit=2, after="alice"))
    assert (last.rebuilt, last.next_after) == (1, "")
    assert await world.redis.hget("unread:{bob}", CHAT) == b"1"
    assert await world.redis.hget("undelivered:{bob}", CHAT) == b"1"
