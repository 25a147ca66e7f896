"""What the stores of search promise, on memory and on MongoDB."""

from __future__ import annotations

import pytest

from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.search_mongo import (
    SEARCH,
    MongoSearchFeed,
    MongoSearchStore,
    MongoTextLog,
)
from services.logic.domain.history import SearchDocument
from services.logic.domain.model import ClientKey, StoredMessage
from services.logic.domain.search_words import query_of, words_of
from services.logic.history_ports import SearchFeed, SearchStore, TextLog
from services.logic.ports import MessageStore
from tests.contract.conftest import OpenDatabase
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore
from whimbrel.testing.memory_stores.search_store import (
    MemorySearchFeed,
    MemorySearchStore,
    MemoryTextLog,
)

every_driver = pytest.mark.parametrize("kind", ["memory", "pymongo", "motor"])
CHAT, GROUP = "d:alice:bob", "g:team"
BIG = 1 << 62
TEXTS = {
    BIG + 1: (CHAT, "Lunch at noon?"),
    BIG + 2: (GROUP, "lunch for all"),
    BIG + 3: (CHAT, "noon is fine, lunch it is"),
    BIG + 4: (CHAT, "今天午饭"),
}


async def store_of(kind: str, open_database: OpenDatabase) -> SearchStore:
    store: SearchStore
    if kind == "memory":
        store = MemorySearchStore()
    else:
        store = MongoSearchStore(await open_database(kind))
        await store.prepare()
        await store.prepare()
    documents = [
        SearchDocument(message_id, conversation, words_of(text))
        for message_id, (conversation, text) in TEXTS.items()
    ]
    await store.insert(documents[:2])
    await store.insert(documents)
    return store


@every_driver
async def test_texts_are_found_by_all_words_newest_first(
    kind: str, open_database: OpenDatabase
) -> None:
    store = await store_of(kind, open_database)

    async def find(text: str, *names: str, before: int = BIG + 9, limit: int = 10) -> list[int]:
        found = await store.find(names or (CHAT, GROUP), query_of(text), before, limit)
        assert all(TEXTS[one.message_id][0] == one.conversation for one in found)
        return [one.message_id - BIG for one in found]

    assert await find("lunch ") == [3, 2, 1]
    assert await find("lun") == [3, 2, 1]
    assert await find("noon LUNCH ") == [3, 1]
    assert await find("fine lu") == [3]
    assert await find("lunch ", GROUP) == [2]
    assert await find("lunch ", before=BIG + 3) == [2, 1]
    assert await find("lunch ", limit=1) == [3]
    assert await find("午饭") == [4]
    assert await find("dinner") == []
    assert await find("unch") == []
    assert await find("") == []


@every_driver
async def test_what_is_missing_is_named(kind: str, open_database: OpenDatabase) -> None:
    store = await store_of(kind, open_database)
    assert await store.missing([BIG, BIG + 1, BIG + 5]) == {BIG, BIG + 5}
    assert await store.missing([]) == set()


@every_driver
async def test_what_changed_is_replaced_unless_a_later_change_is_there(
    kind: str, open_database: OpenDatabase
) -> None:
    store = await store_of(kind, open_database)

    async def put(words: str, changed_by: int, message_id: int = BIG + 1) -> list[int]:
        document = SearchDocument(message_id, CHAT, words_of(words), changed_by)
        await store.replace([document])
        found = await store.find([CHAT], query_of(words + " "), BIG + 99, 10)
        return [one.message_id - BIG for one in found]

    assert await put("supper", BIG + 50) == [1]
    assert await put("late supper", BIG + 40) == []
    assert await put("supper", BIG + 50) == [1]
    assert await put("tea", BIG + 60) == [1]
    assert await store.find([CHAT], query_of("supper "), BIG + 99, 10) == []
    assert await put("cake", BIG + 70, BIG + 20) == [20], "its text was not there yet"
    await store.insert([SearchDocument(BIG + 20, CHAT, ("pie",))])
    assert await put("cake", BIG + 70, BIG + 20) == [20]


async def test_a_common_word_of_others_costs_nothing(open_database: OpenDatabase) -> None:
    database = await open_database("pymongo")
    store = MongoSearchStore(database)
    await store.prepare()
    await store.insert([SearchDocument(n, f"g:{n % 100}", ("hello",)) for n in range(1, 2001)])
    command = {
        "find": SEARCH,
        "filter": {
            "conversation": {"$in": ["g:1", "g:2"]},
            "_id": {"$lt": BIG},
            "$and": [{"words": "hello"}],
        },
        "sort": {"_id": -1},
        "limit": 10,
    }
    explained = await database.command("explain", command, verbosity="executionStats")
    assert explained["executionStats"]["totalKeysExamined"] <= 50


@every_driver
async def test_one_process_compares_and_the_next_goes_on_where_it_stopped(
    kind: str, open_database: OpenDatabase
) -> None:
    feed: SearchFeed = (
        MemorySearchFeed() if kind == "memory" else MongoSearchFeed(await open_database(kind))
    )
    assert await feed.take("one", now_ms=1000, lease_ms=100) == 0
    assert await feed.take("two", now_ms=1050, lease_ms=100) is None
    assert await feed.advance("one", BIG + 7, until_ms=1150)
    assert not await feed.advance("two", BIG + 9, until_ms=9999)
    assert await feed.take("one", now_ms=1100, lease_ms=100) == BIG + 7
    assert await feed.take("two", now_ms=1201, lease_ms=100) == BIG + 7
    assert not await feed.advance("one", BIG + 8, until_ms=9999)
    assert await feed.advance("two", BIG + 3, until_ms=9999)
    assert await feed.take("two", now_ms=1300, lease_ms=100) == BIG + 7


@every_driver
async def test_texts_are_logged_by_id_and_other_bodies_are_not(
    kind: str, open_database: OpenDatabase
) -> None:
    messages: MessageStore
    log: TextLog
    if kind == "memory":
        messages = memory = MemoryMessageStore()
        log = MemoryTextLog(memory)
    else:
        database = await open_database(kind)
        messages, log = MongoMessageStore(database), MongoTextLog(database)
    await messages.insert([_message(BIG + n, body_kind=2 if n == 3 else 1) for n in range(1, 6)])
    assert await log.texts(0, BIG + 5, 10) == [(BIG + n, "alice") for n in (1, 2, 4)]
    assert await log.texts(BIG + 1, BIG + 6, 2) == [(BIG + 2, "alice"), (BIG + 4, "alice")]
    assert await log.texts(BIG + 5, BIG + 9, 2) == []


def _message(message_id: int, *, body_kind: int) -> StoredMessage:
    return StoredMessage(
        message_id=message_id,
        key=ClientKey("alice", "phone", str(message_id)),
        conversation=CHAT,
        participants=("alice", "bob"),
        body_kind=body_kind,
        body=b"hello",
        sent_at_ms=1,
        digest=b"d",
    )
