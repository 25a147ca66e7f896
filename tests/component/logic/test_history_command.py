"""`whimbrel history` and `whimbrel unread` find a Logic through the Router and show its answer."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.logic.adapters.unread_index_redis import RedisUnreadIndex
from tests.component.logic.history_world import CHAT, HistoryWorld, eventually, history_world
from whimbrel.cli import history_commands
from whimbrel.cli.edge import CommandError
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.local.children import Identity
from whimbrel.local.state import DataFolder, StackRecord, boot_id


@pytest.fixture
async def world(redis_url: str, mongo_url: str, tmp_path: Path) -> AsyncIterator[HistoryWorld]:
    async with history_world(redis_url, mongo_url) as world:
        write_record(tmp_path, world.router_address)
        yield world


def write_record(folder: Path, router: str) -> None:
    """A data directory whose stack has this Router."""
    me = Identity.of(os.getpid())
    record = StackRecord(me, boot_id(), "healthy", "now", router_addresses=router)
    DataFolder(folder).write_record(record)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What a command told at last: the services of this process log beside it, whenever."""
    return capsys.readouterr().out.splitlines()[-1]


async def history(data: Path, *, limit: int = 20, as_json: bool = False, **at: int) -> None:
    await history_commands._history("alice", "bob", limit, at, data, as_json=as_json)


async def test_a_conversation_is_shown_in_pages(
    world: HistoryWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [await world.send(text) for text in ("one", "two\x1b[2J", "three")]
    capsys.readouterr()
    await history(tmp_path, limit=2)
    out = capsys.readouterr().out
    assert "alice: two [2J\n" in out
    assert out.endswith(f"older ones: --before {ids[1]}\n")
    await history(tmp_path, before=ids[1], as_json=True)
    page = json.loads(last_line(capsys))
    assert [(row["message_id"], row["text"]) for row in page["entries"]] == [(str(ids[0]), "one")]
    assert (page["has_older"], page["has_newer"]) == (False, True)


async def test_unread_is_shown_and_counted_again(
    world: HistoryWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.send("one")
    await world.send("two")
    await eventually(world.listed, {CHAT: ("two", 2, 2)})
    await world.redis.flushall()
    await history_commands._rebuild("bob", tmp_path, as_json=False)
    assert last_line(capsys) == "counted again: 1 users"
    assert await world.redis.hget("unread:{bob}", CHAT) == b"2"
    await history_commands._rebuild(None, tmp_path, as_json=True)
    assert json.loads(last_line(capsys)) == {"rebuilt": 2}
    await history_commands._unread("bob", tmp_path, as_json=False)
    assert f"2  {CHAT}  (2 undelivered)\n" in capsys.readouterr().out
    await history_commands._unread("bob", tmp_path, as_json=True)
    told = json.loads(last_line(capsys))
    assert told["total_unread"] == 2
    assert told["conversations"][0]["last"]["text"] == "two"


async def test_a_rebuild_that_another_one_took_over_from_is_done_again(
    world: HistoryWorld,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen: a message missed after a flush had its own rebuild of bob, and the operator was told
    that nobody was counted."""
    begin, begun = RedisUnreadIndex.begin_rebuild, 0

    async def taken_over_at_first(index: RedisUnreadIndex, user: str) -> str:
        nonlocal begun
        token = await begin(index, user)
        if begun < 2:
            await begin(index, user)
        begun += 1
        return token

    await world.send("one")
    await eventually(world.listed, {CHAT: ("one", 1, 1)})
    monkeypatch.setattr(RedisUnreadIndex, "begin_rebuild", taken_over_at_first)
    await history_commands._rebuild("bob", tmp_path, as_json=False)
    assert last_line(capsys) == "counted again: 1 users"
    assert begun == 3
    assert not await RedisUnreadIndex(world.redis).incomplete(["bob"])


async def test_what_is_refused_reaches_the_person(world: HistoryWorld, tmp_path: Path) -> None:
    with pytest.raises(WhimbrelError) as raised:
        await history_commands._history("g:none", "bob", 5, {}, tmp_path, as_json=True)
    assert raised.value.code is ErrorCode.UNKNOWN_CONVERSATION


async def test_without_a_logic_one_sentence_says_so(
    world: HistoryWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(_: str, *, dial: object) -> list[object]:
        return await asyncio.sleep(0, [])

    monkeypatch.setattr("whimbrel.local.cluster.list_pods", nobody)
    with pytest.raises(CommandError, match="no Logic pod answers"):
        await history_commands._unread("bob", tmp_path, as_json=True)
