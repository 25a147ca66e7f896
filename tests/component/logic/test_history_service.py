"""HistoryService on a Logic over real stores: counts, lists, history, pulling, a lost Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.component.logic.history_world import (
    CHAT,
    HistoryWorld,
    eventually,
    history_world,
    texts,
)
from whimbrel.api.history.v1 import history_pb2 as pb

JOBS = "push:{jobs}"


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


async def test_history_pages_before_after_and_around(world: HistoryWorld) -> None:
    ids = [await world.send(str(n)) for n in range(10)]

    async def read(limit: int = 3, **position: int) -> tuple[list[str], bool, bool]:
        page = await world.history.ReadHistory(
            pb.ReadHistoryRequest(caller_id="bob", conversation_id=CHAT, limit=limit, **position)
        )
        return texts(page.entries), page.has_older, page.has_newer

    assert await read() == (["7", "8", "9"], True, False)
    assert await read(before=ids[7]) == (["4", "5", "6"], True, True)
    assert await read(before=ids[2]) == (["0", "1"], False, True)
    assert await read(after=ids[1]) == (["2", "3", "4"], True, True)
    assert await read(after=ids[9]) == ([], False, False)
    assert await read(around=ids[5]) == (["4", "5", "6"], True, True)
    assert await read(around=ids[0]) == (["0", "1", "2"], False, True)
    assert await read(around=ids[9], limit=4) == (["7", "8", "9"], True, False)
    assert await read(limit=100) == ([str(n) for n in range(10)], False, False)


async def test_a_page_of_large_messages_is_cut_around_its_position(world: HistoryWorld) -> None:
    ids = [await world.send(f"{n:02}" + "x" * 65_000) for n in range(60)]

    async def read(**position: int) -> list[str]:
        page = await world.history.ReadHistory(
            pb.ReadHistoryRequest(caller_id="bob", conversation_id=CHAT, limit=60, **position)
        )
        return [text[:2] for text in texts(page.entries)]

    newest = await read()
    assert newest == [f"{n:02}" for n in range(60 - len(newest), 60)]
    assert 20 < len(newest) < 40
    oldest = await read(after=1)
    assert oldest == [f"{n:02}" for n in range(len(oldest))]
    middle = await read(around=ids[30])
    assert middle[len(middle) // 2 - 1 : len(middle) // 2 + 2].count("30") == 1
    recent = (await world.recent())[CHAT]
    assert [text[:2] for text in recent] == [f"{n:02}" for n in range(len(recent))]
    assert 20 < len(recent) < 40


async def test_a_list_is_paged_with_pinned_conversations_first(world: HistoryWorld) -> None:
    groups = [await world.group("bob") for _ in range(4)]
    for group in groups:
        await world.send("hi", to=group)
    await eventually(lambda: _length(world), 4)
    await _change(world, groups[0], pinned=True)
    page = await world.history.ListConversations(
        pb.ListConversationsRequest(caller_id="bob", limit=3)
    )
    assert [one.conversation_id for one in page.conversations] == [groups[n] for n in (0, 3, 2)]
    assert [one.pinned for one in page.conversations] == [True, False, False]
    assert page.total_unread == 4
    rest = await world.history.ListConversations(
        pb.ListConversationsRequest(caller_id="bob", limit=3, page_token=page.next_page_token)
    )
    assert [one.conversation_id for one in rest.conversations] == [groups[1]]
    assert rest.next_page_token == ""


async def test_a_muted_conversation_raises_no_push_job(world: HistoryWorld) -> None:
    await world.send("loud")
    await eventually(lambda: world.redis.xlen(JOBS), 1)
    assert await _change(world, CHAT, muted=True) == (False, True)
    await world.send("hushed")
    await eventually(world.listed, {CHAT: ("hushed", 2, 2)})
    await _change(world, CHAT, muted=False)
    await world.send("loud again")
    await eventually(lambda: world.redis.xlen(JOBS), 2)


async def test_bodies_come_from_the_cache_or_through_it_from_mongodb(world: HistoryWorld) -> None:
    message_id = await world.send("kept")
    await eventually(world.recent, {CHAT: ["kept"]})
    key = f"message:{{{CHAT}}}:{message_id}"
    assert await world.redis.exists(key)
    await world.redis.delete(key)
    assert await world.recent() == {CHAT: ["kept"]}
    assert await world.redis.exists(key)


async def test_search_finds_what_stands_in_the_own_timeline_alone(world: HistoryWorld) -> None:
    group, others = await world.group("bob"), await world.group("carol")
    await world.send("lunch with others", to=others)
    wanted = ["lunch at noon", "lunch for all", "lunch again"]
    for text, to in zip(wanted, (CHAT, group, CHAT), strict=True):
        await world.send(text, to=to)
    await world.send("dinner")

    async def find(query: str, **more: Any) -> tuple[list[str], int]:
        page = await world.history.Search(
            pb.SearchRequest(caller_id="bob", query=query, **{"limit": 10, **more})
        )
        return texts(page.entries), page.next_before

    async def found(query: str, **more: Any) -> list[str]:
        return (await find(query, **more))[0]

    await eventually(lambda: found("lunch"), wanted[::-1])
    assert await found("lunch noon") == ["lunch at noon"]
    assert await found("lun", conversation_id=group) == ["lunch for all"]
    first, before = await find("lunch", limit=2)
    assert (first, before > 0) == (wanted[:0:-1], True)
    assert await find("lunch", limit=2, before=before) == (wanted[:1], 0)


async def _change(world: HistoryWorld, conversation: str, **change: bool) -> tuple[bool, bool]:
    now = await world.history.ChangeConversation(
        pb.ChangeConversationRequest(caller_id="bob", conversation_id=conversation, **change)
    )
    return now.pinned, now.muted


async def _length(world: HistoryWorld) -> int:
    return len(await world.listed())
