"""What push reads before it sends, on memory and on what Logic and the gateway have stored: how far
users have come, what they have not read, and what they said about themselves."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from services.gateway.adapters.account_store_mongo import MongoAccountStore
from services.gateway.adapters.quiet_hours_store_mongo import MongoQuietHoursStore
from services.gateway.domain.accounts import QuietHours as StoredHours
from services.gateway.domain.accounts import User
from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.read_store_mongo import PULLS, MongoReadStore
from services.logic.adapters.settings_store_mongo import MongoSettingsStore
from services.logic.adapters.unread_index_redis import RedisUnreadIndex
from services.logic.domain.history import UnreadEntry
from services.logic.domain.model import DeviceCursor
from services.logic.history_ports import SettingsStore, UnreadIndex
from services.logic.ports import CursorStore
from services.logic.reading_ports import ReadStore
from services.push.adapters.mark_store_mongo import MongoMarkStore
from services.push.adapters.unread_counts_redis import RedisUnreadCounts
from services.push.adapters.wishes_mongo import KEEP_SECONDS, MongoWishes
from services.push.domain.quiet_hours import QuietHours
from services.push.domain.sifting import Marks
from services.push.domain.wakes import Wake
from services.push.wake_ports import MarkStore, Unread, UnreadCounts, Wishes
from tests.contract.conftest import OpenDatabase, OpenEmptyRedis
from whimbrel.testing.memory_stores.push_stores import (
    MemoryMarks,
    MemoryUnreadCounts,
    MemoryWishes,
)

CHAT = "d:alice:bob"
TEAM = "g:team"
NIGHT = QuietHours(22 * 60, 7 * 60, "Europe/Berlin")


def wake(seq: int, user: str = "bob", conversation: str = CHAT) -> Wake:
    return Wake(user, "phone", conversation, "alice", 1000 + seq, seq, 1)


@dataclass
class Marked:
    """What Logic writes, and push's view of it."""

    cursors: CursorStore
    reads: ReadStore
    pulls: ReadStore
    settings: SettingsStore
    marks: MarkStore


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def marked(request: pytest.FixtureRequest, open_database: OpenDatabase) -> Marked:
    if request.param == "memory":
        memory = MemoryMarks()
        return Marked(memory.cursors, memory.reads, memory.pulls, memory.settings, memory)
    database = await open_database(request.param)
    cursors, settings = MongoCursorStore(database), MongoSettingsStore(database)
    reads, pulls = MongoReadStore(database), MongoReadStore(database, PULLS)
    for store in (cursors, settings, reads, pulls):
        await store.prepare()
    return Marked(cursors, reads, pulls, settings, MongoMarkStore(database))


async def test_the_highest_cursor_of_a_user_s_devices_counts(marked: Marked) -> None:
    await marked.cursors.raise_to(
        [
            DeviceCursor("bob", "phone", 3),
            DeviceCursor("bob", "pc", 7),
            DeviceCursor("eve", "pc", 9),
        ]
    )
    assert await marked.marks.find([wake(8)]) == Marks({"bob": 7}, {}, set())


async def test_read_or_pulled_the_higher_mark_of_a_conversation_counts(marked: Marked) -> None:
    await marked.reads.raise_to("bob", CHAT, 4)
    await marked.pulls.raise_to("bob", CHAT, 6)
    await marked.reads.raise_to("bob", TEAM, 9)
    await marked.pulls.raise_to("bob", TEAM, 2)
    await marked.reads.raise_to("carol", CHAT, 99)
    found = await marked.marks.find([wake(5), wake(8), wake(5, conversation=TEAM)])
    assert found.reads == {("bob", CHAT): 6, ("bob", TEAM): 9}
    assert [found.passed(one) for one in (wake(6), wake(7))] == [True, False]


async def test_a_conversation_that_is_muted_wakes_nobody_until_it_is_loud_again(
    marked: Marked,
) -> None:
    await marked.settings.change("bob", CHAT, is_pinned=None, is_muted=True)
    await marked.settings.change("bob", TEAM, is_pinned=True, is_muted=None)
    wakes = [wake(5), wake(5, conversation=TEAM), wake(5, "carol")]
    found = await marked.marks.find(wakes)
    assert [found.passed(one) for one in wakes] == [True, False, False]
    await marked.settings.change("bob", CHAT, is_pinned=None, is_muted=False)
    assert not (await marked.marks.find(wakes)).passed(wakes[0])


async def test_who_has_come_nowhere_has_passed_nothing(marked: Marked) -> None:
    assert not (await marked.marks.find([wake(1)])).passed(wake(1))
    assert await marked.marks.find([]) == Marks()


@dataclass
class Counted:
    """Logic's index, and push's view of it."""

    index: UnreadIndex
    counts: UnreadCounts

    async def count(self, user: str, *entries: UnreadEntry) -> None:
        """As Logic does when somebody asks for the first time."""
        token = await self.index.begin_rebuild(user)
        await self.index.add(entries)
        assert await self.index.finish_rebuild(user, token)


@pytest.fixture(params=["memory", "redis"])
async def counted(request: pytest.FixtureRequest, open_empty_redis: OpenEmptyRedis) -> Counted:
    if request.param == "memory":
        memory = MemoryUnreadCounts()
        return Counted(memory.index, memory)
    redis = await open_empty_redis()
    return Counted(RedisUnreadIndex(redis), RedisUnreadCounts(redis))


def entry(seq: int, user: str = "bob", conversation: str = CHAT) -> UnreadEntry:
    return UnreadEntry(user, conversation, 1000 + seq, seq, False)


async def test_the_badge_is_all_that_a_user_has_not_read(counted: Counted) -> None:
    await counted.count("bob", entry(1), entry(2), entry(3, conversation=TEAM))
    await counted.count("carol", entry(1, "carol"))
    await counted.index.read_up_to("carol", {CHAT: 1})
    assert await counted.counts.find({"bob", "carol", "dave"}) == {
        "bob": Unread(3, {CHAT: 2, TEAM: 1}),
        "carol": Unread(0, {}),
    }
    assert await counted.counts.find(set()) == {}


async def test_counts_in_doubt_are_left_out_and_never_wrong(counted: Counted) -> None:
    await counted.index.add([entry(5)])
    assert await counted.counts.find({"bob"}) == {}, "nobody has counted what came before"
    await counted.count("bob", entry(4), entry(5))
    assert (await counted.counts.find({"bob"}))["bob"].total == 2
    await counted.index.doubt({"bob"})
    assert await counted.counts.find({"bob"}) == {}


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def wishes(request: pytest.FixtureRequest, open_database: OpenDatabase) -> Wishes:
    """Alice and Bob have names, Bob has quiet hours; nobody else has an account."""
    if request.param == "memory":
        memory = MemoryWishes()
        memory.hours = {"bob": NIGHT}
        memory.shown = {"alice": "Alice Liddell", "bob": "Bob"}
        return memory
    database = await open_database(request.param)
    accounts, hours = MongoAccountStore(database), MongoQuietHoursStore(database)
    for user_id, name in (("alice", "Alice Liddell"), ("bob", "Bob")):
        await accounts.create(User(user_id, name, 1))
    await hours.put("bob", StoredHours(*NIGHT), now_ms=1)
    return MongoWishes(database, clock=lambda: 0.0)


async def test_names_and_quiet_hours_are_those_of_who_has_any(wishes: Wishes) -> None:
    for _ in range(2):  # the second time they may be remembered
        assert await wishes.names({"alice", "nobody"}) == {"alice": "Alice Liddell"}
        assert await wishes.names({"alice", "bob"}) == {"alice": "Alice Liddell", "bob": "Bob"}
        assert await wishes.quiet_hours({"alice", "bob"}) == {"bob": NIGHT}
    assert await wishes.names(set()) == {}
    assert await wishes.quiet_hours(set()) == {}


async def test_what_was_changed_is_known_after_half_a_minute(open_database: OpenDatabase) -> None:
    database = await open_database("pymongo")
    accounts, hours = MongoAccountStore(database), MongoQuietHoursStore(database)
    now = 0.0
    wishes = MongoWishes(database, clock=lambda: now)
    await accounts.create(User("bob", "Bob", 1))
    assert await wishes.quiet_hours({"bob"}) == {}
    assert await wishes.names({"bob"}) == {"bob": "Bob"}
    await hours.put("bob", StoredHours(*NIGHT), now_ms=1)
    await accounts.change("bob", {"name": "Robert"})
    now = KEEP_SECONDS + 1.0
    assert await wishes.quiet_hours({"bob"}) == {"bob": NIGHT}
    assert await wishes.names({"bob"}) == {"bob": "Robert"}
