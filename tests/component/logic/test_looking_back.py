"""HistoryService on real stores: pages, lists, bodies and search show what the caller may see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.component.logic.history_world import CHAT, HistoryWorld, eventually, history_world, texts
from whimbrel.api.history.v1 import history_pb2 as pb

JOBS = "push:{jobs}"


@pytest.fixture
async def world(redis_url: str, mongo_url: str) -> AsyncIterator[HistoryWorld]:
    async with history_world(redis_url, mongo_url) as world:
        yield world


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
