"""What follows a commit beside the fan-out: counting, finding, and what happens when it cannot."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.logic.domain.model import ClientKey, Committed, StoredMessage, TimelineEntry
from services.logic.usecases import count_unread
from services.logic.usecases.count_unread import CountUnread
from services.logic.usecases.doubts import Doubts
from services.logic.usecases.feed_search import SETTLED_MS, FeedSearch, SearchPorts
from tests.unit.logic.logic_world import World, draft, running, send
from whimbrel.core.errors import unavailable
from whimbrel.core.ids import EPOCH_MS, compose
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.search_store import (
    MemorySearchFeed,
    MemorySearchStore,
    MemoryTextLog,
)
from whimbrel.testing.memory_stores.settings_store import MemorySettingsStore
from whimbrel.testing.memory_stores.unread_index import MemoryUnreadIndex

CHAT = "d:alice:bob"
NOW_MS = EPOCH_MS + 10 * SETTLED_MS


def message(message_id: int, text: str = "hello", kind: int = 1) -> StoredMessage:
    return StoredMessage(
        message_id=message_id,
        key=ClientKey("alice", "phone", str(message_id)),
        conversation=CHAT,
        participants=("alice", "bob"),
        body_kind=kind,
        body=text.encode(),
        sent_at_ms=1,
        digest=b"d",
    )


def committed(message_id: int, seq: int) -> Committed:
    row = message(message_id)
    entries = [TimelineEntry(user, seq, message_id, CHAT, "alice") for user in row.participants]
    return Committed(row, entries)


class Search:
    """The feeder of one process, over stores that all share."""

    def __init__(self) -> None:
        self.messages = MemoryMessageStore()
        self.store = MemorySearchStore()
        self.feed = MemorySearchFeed()

    def feeder(self, holder: str = "a", *, now_ms: int = NOW_MS, waiting: int = 10) -> FeedSearch:
        ports = SearchPorts(self.store, self.feed, MemoryTextLog(self.messages))
        return FeedSearch(
            ports,
            self.messages,
            holder=holder,
            wall_ms=lambda: now_ms,
            max_waiting=waiting,
        )


async def test_a_count_that_does_not_fit_makes_its_users_doubtful() -> None:
    unread = MemoryUnreadIndex()
    doubts = Doubts([unread.doubt])
    count = CountUnread(unread, doubts, max_waiting=1)
    for user in ("alice", "bob"):
        assert await unread.finish_rebuild(user, await unread.begin_rebuild(user))
    count.enqueue([committed(1, 1), committed(2, 2)])
    unread.faults.fail("doubt")
    await doubts.settle()
    assert await unread.incomplete(["alice", "bob"]) == set()
    await doubts.settle()
    assert await unread.incomplete(["alice", "bob"]) == {"alice", "bob"}


async def test_a_count_is_tried_again_and_then_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_unread, "RETRY_SECONDS", 0.0)
    unread = MemoryUnreadIndex()
    doubts = Doubts([unread.doubt])
    count = CountUnread(unread, doubts, max_waiting=10)
    task = asyncio.create_task(count.pipeline.run())
    unread.faults.fail("add", times=2)
    count.enqueue([committed(1, 1)])
    assert await count.pipeline.wait_idle(5)
    assert (await unread.state("bob"))[CHAT].unread == 1
    assert await unread.finish_rebuild("bob", await unread.begin_rebuild("bob"))
    unread.faults.fail("add", times=count_unread.MAX_TRIES)
    count.enqueue([committed(2, 2)])
    assert await count.pipeline.wait_idle(5)
    task.cancel()
    await doubts.settle()
    assert await unread.incomplete(["bob"]) == {"bob"}


async def test_a_mute_that_nobody_knows_wakes_all_the_same() -> None:
    class Away(MemorySettingsStore):
        async def muted(self, pairs: object) -> set[tuple[str, str]]:
            raise unavailable("MongoDB does not answer")

    world = World()
    history = replace(world.history, settings=Away())
    async with running(world.logic(history=history)) as parts:
        await send(parts, draft())
        assert await parts.wait_idle(5)
        async with asyncio.timeout(5):
            while not world.push_queue.jobs:
                await asyncio.sleep(0)
    assert [job.user for job in world.push_queue.jobs] == ["bob"]


async def test_what_was_dropped_and_what_died_with_a_process_is_found_again() -> None:
    search = Search()
    old = [compose(EPOCH_MS + 1000, 0, n) for n in range(1, 1201)]
    await search.messages.insert([message(one) for one in old])
    dead = search.feeder("dead", waiting=3)
    dead.enqueue([committed(one, n) for n, one in enumerate(old[:5], 1)])
    assert dead.dropped == 2
    survivor = search.feeder("survivor")
    assert await survivor.compare()
    assert await survivor.compare()
    assert not await survivor.compare()
    assert search.store.documents.keys() == set(old)


async def test_what_is_not_settled_yet_is_compared_later() -> None:
    search = Search()
    fresh = compose(NOW_MS - SETTLED_MS // 2, 3, 0)
    await search.messages.insert([message(fresh)])
    assert not await search.feeder().compare()
    assert search.store.documents == {}
    # Its id lies below others that were compared: it is not forgotten for that.
    assert not await search.feeder(now_ms=NOW_MS + SETTLED_MS).compare()
    assert search.store.documents.keys() == {fresh}


async def test_one_process_compares_at_a_time() -> None:
    search = Search()
    await search.messages.insert([message(compose(EPOCH_MS + 1, 0, n)) for n in range(1, 502)])
    assert await search.feeder("a").compare()
    assert not await search.feeder("b").compare()
    assert len(search.store.documents) == 500
    assert not await search.feeder("b", now_ms=NOW_MS + SETTLED_MS).compare()
    assert len(search.store.documents) == 501


async def test_a_text_is_findable_after_its_commit_and_bytes_are_not() -> None:
    search = Search()
    feeder = search.feeder()
    one = Committed(message(1, "lunch at noon"))
    feeder.enqueue([one, Committed(message(2, kind=2))])
    task = asyncio.create_task(feeder.pipeline.run())
    assert await feeder.pipeline.wait_idle(5)
    task.cancel()
    assert [row.words for row in search.store.documents.values()] == [("lunch", "at", "noon")]


async def test_a_feed_that_fails_loses_nothing() -> None:
    search = Search()
    row = message(compose(EPOCH_MS + 5, 0, 1))
    await search.messages.insert([row])
    feeder = search.feeder()
    search.store.faults.fail("insert")
    feeder.enqueue([Committed(row)])
    task = asyncio.create_task(feeder.pipeline.run())
    assert await feeder.pipeline.wait_idle(5)
    task.cancel()
    assert (feeder.dropped, search.store.documents) == (1, {})
    await feeder.compare()
    assert search.store.documents.keys() == {row.message_id}
