"""What the stores of looking back promise, on memory, MongoDB and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from services.logic.adapters.conversation_history_mongo import MongoConversationHistory
from services.logic.adapters.message_cache_redis import RedisMessageCache
from services.logic.adapters.settings_store_mongo import MongoSettingsStore
from services.logic.adapters.timeline_store_mongo import COLLECTION, MongoTimelineStore
from services.logic.domain.history import CachedMessage, ConversationSettings
from services.logic.domain.model import Placement, TimelineEntry
from services.logic.history_ports import ConversationHistory, MessageCache, SettingsStore
from tests.contract.conftest import OpenDatabase, OpenEmptyRedis
from whimbrel.testing.memory_stores.conversation_history import MemoryConversationHistory
from whimbrel.testing.memory_stores.message_cache import MemoryMessageCache
from whimbrel.testing.memory_stores.settings_store import MemorySettingsStore
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore

CHAT = "d:alice:bob"
GROUP = "g:team"
BIG = 1 << 62

TIMELINE = [
    TimelineEntry("bob", 1, BIG + 1, CHAT, "alice"),
    TimelineEntry("bob", 2, BIG + 3, CHAT, "bob"),
    TimelineEntry("bob", 3),
    TimelineEntry("bob", 4, BIG + 2, CHAT, "alice", late=True),
    TimelineEntry("bob", 5, BIG + 5, GROUP, "carol"),
    TimelineEntry("bob", 6, BIG + 6, CHAT, "alice"),
    TimelineEntry("alice", 1, BIG + 1, CHAT, "alice"),
]


class Stored(NamedTuple):
    timelines: MemoryTimelineStore | MongoTimelineStore
    history: ConversationHistory


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def stored(request: pytest.FixtureRequest, open_database: OpenDatabase) -> Stored:
    timelines: MemoryTimelineStore | MongoTimelineStore
    history: ConversationHistory
    if request.param == "memory":
        timelines = memory = MemoryTimelineStore()
        history = MemoryConversationHistory(memory)
    else:
        database = await open_database(request.param)
        timelines = MongoTimelineStore(database)
        history = MongoConversationHistory(database)
    await timelines.prepare()
    assert await timelines.insert(TIMELINE) == []
    return Stored(timelines, history)


def ids(entries: list[TimelineEntry]) -> list[int]:
    return [(entry.message_id or 0) - BIG for entry in entries]


async def test_the_conversations_of_a_user_are_those_of_the_timeline(stored: Stored) -> None:
    assert await stored.history.conversations("bob") == [CHAT, GROUP]
    assert await stored.history.conversations("alice") == [CHAT]
    assert await stored.history.conversations("nobody") == []


async def test_history_is_in_the_order_of_message_id_whatever_the_seq(stored: Stored) -> None:
    page = await stored.history.before("bob", CHAT, None, 10)
    assert page == [TIMELINE[0], TIMELINE[3], TIMELINE[1], TIMELINE[5]]
    assert await stored.history.before("carol", CHAT, None, 10) == []


async def test_pages_lie_strictly_before_and_after_a_message(stored: Stored) -> None:
    history = stored.history
    assert ids(await history.before("bob", CHAT, BIG + 6, 2)) == [2, 3]
    assert ids(await history.before("bob", CHAT, BIG + 2, 5)) == [1]
    assert ids(await history.before("bob", CHAT, 0, 5)) == []
    assert ids(await history.after("bob", CHAT, BIG + 1, 2)) == [2, 3]
    assert ids(await history.after("bob", CHAT, BIG + 4, 5)) == [6]
    assert ids(await history.before("bob", CHAT, None, 0)) == []
    assert ids(await history.after("bob", CHAT, 0, 0)) == []


async def test_entries_are_found_by_their_placement_alone(stored: Stored) -> None:
    own = Placement("bob", CHAT, BIG + 2)
    others = [
        Placement("bob", GROUP, BIG + 2),
        Placement("carol", CHAT, BIG + 2),
        Placement("bob", CHAT, BIG + 4),
    ]
    assert await stored.history.placed([own, *others]) == {own: TIMELINE[3]}
    assert await stored.history.placed([]) == {}


async def test_users_are_listed_in_pages(stored: Stored) -> None:
    assert await stored.history.users("", 1) == ["alice"]
    assert await stored.history.users("alice", 5) == ["bob"]
    assert await stored.history.users("bob", 5) == []


@pytest.mark.parametrize("wanted", ["conversations", "before"])
async def test_history_is_answered_by_the_index_of_the_conversation(
    open_database: OpenDatabase, wanted: str
) -> None:
    database = await open_database("pymongo")
    timelines = MongoTimelineStore(database)
    await timelines.prepare()
    rows = [TimelineEntry("bob", seq, BIG + seq, f"g:{seq % 4}", "alice") for seq in range(1, 401)]
    await timelines.insert(rows)
    user = {"user": "bob", "message_id": {"$gte": 0}}
    command = (
        {"distinct": COLLECTION, "key": "conversation", "query": user}
        if wanted == "conversations"
        else {
            "find": COLLECTION,
            "filter": {**user, "conversation": "g:1"},
            "sort": {"message_id": -1},
            "limit": 10,
        }
    )
    explained = await database.command("explain", command, verbosity="executionStats")
    most = {"conversations": 10, "before": 10}[wanted]
    assert explained["executionStats"]["totalKeysExamined"] <= most
    assert explained["executionStats"]["totalDocsExamined"] <= most


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def settings(request: pytest.FixtureRequest, open_database: OpenDatabase) -> SettingsStore:
    if request.param == "memory":
        return MemorySettingsStore()
    store = MongoSettingsStore(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


async def test_settings_change_one_by_one_and_stay(settings: SettingsStore) -> None:
    assert await settings.change("bob", CHAT, is_pinned=True, is_muted=None) == (True, False)
    assert await settings.change("bob", CHAT, is_pinned=None, is_muted=True) == (True, True)
    assert await settings.change("bob", CHAT, is_pinned=None, is_muted=None) == (True, True)
    await settings.change("bob", GROUP, is_pinned=False, is_muted=None)
    assert await settings.find("bob") == {
        CHAT: ConversationSettings(is_pinned=True, is_muted=True),
        GROUP: ConversationSettings(),
    }
    assert await settings.find("alice") == {}


async def test_first_changes_at_once_are_all_kept(settings: SettingsStore) -> None:
    await asyncio.gather(
        settings.change("bob", CHAT, is_pinned=True, is_muted=None),
        settings.change("bob", CHAT, is_pinned=None, is_muted=True),
    )
    assert await settings.find("bob") == {CHAT: (True, True)}


async def test_muted_conversations_are_found_for_many_users(settings: SettingsStore) -> None:
    await settings.change("bob", CHAT, is_pinned=None, is_muted=True)
    await settings.change("carol", CHAT, is_pinned=True, is_muted=False)
    pairs = [("bob", CHAT), ("bob", GROUP), ("carol", CHAT), *((f"u{n}", CHAT) for n in range(500))]
    assert await settings.muted(pairs) == {("bob", CHAT)}
    assert await settings.muted([]) == set()


@pytest.fixture(params=["memory", "redis"])
async def cache(
    request: pytest.FixtureRequest, open_empty_redis: OpenEmptyRedis
) -> AsyncIterator[MessageCache]:
    if request.param == "memory":
        yield MemoryMessageCache()
    else:
        yield RedisMessageCache(await open_empty_redis())


def kept(number: int, message: bytes, conversation: str = CHAT) -> CachedMessage:
    return CachedMessage(BIG + number, conversation, message)


async def test_messages_are_remembered_until_they_change(cache: MessageCache) -> None:
    wanted = {BIG: CHAT, BIG + 1: GROUP, BIG + 2: CHAT}
    await cache.remember([kept(0, b"one"), kept(1, b"two", GROUP)])
    await cache.remember([kept(0, b"other")])
    assert await cache.find(wanted) == {BIG: b"one", BIG + 1: b"two"}
    await cache.forget({BIG: CHAT, BIG + 2: CHAT})
    assert await cache.find(wanted) == {BIG + 1: b"two"}
    assert await cache.find({}) == {}


async def test_who_had_the_old_message_in_hand_does_not_bring_it_back(
    cache: MessageCache,
) -> None:
    await cache.forget({BIG: CHAT})
    await cache.remember([kept(0, b"as it was")])
    assert await cache.find({BIG: CHAT}) == {}
