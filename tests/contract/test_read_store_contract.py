"""What every ReadStore promises, on memory and on MongoDB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.logic.adapters.read_store_mongo import MongoReadStore
from services.logic.reading_ports import ReadStore
from tests.stores import own_database
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.settings import MongoSettings
from whimbrel.runtime.stores import open_mongo
from whimbrel.testing.memory_stores.read_store import MemoryReadStore

CHAT = "d:alice:bob"


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def reads(request: pytest.FixtureRequest) -> AsyncIterator[ReadStore]:
    if request.param == "memory":
        yield MemoryReadStore()
        return
    url = request.getfixturevalue("mongo_url")
    async with own_database(url, driver=request.param) as database:
        store = MongoReadStore(database)
        await store.prepare()
        await store.prepare()
        yield store


async def test_a_mark_is_found_with_its_conversation(reads: ReadStore) -> None:
    await reads.raise_to("bob", CHAT, 3)
    await reads.raise_to("bob", "g:team", 5)
    await reads.raise_to("carol", CHAT, 7)
    assert await reads.find("bob") == {CHAT: 3, "g:team": 5}
    assert await reads.find("dave") == {}


async def test_a_mark_never_goes_back(reads: ReadStore) -> None:
    await reads.raise_to("bob", CHAT, 5)
    await reads.raise_to("bob", CHAT, 3)
    assert await reads.find("bob") == {CHAT: 5}
    await reads.raise_to("bob", CHAT, 6)
    assert await reads.find("bob") == {CHAT: 6}


async def test_first_marks_at_once_end_at_the_highest(reads: ReadStore) -> None:
    await asyncio.gather(*(reads.raise_to("bob", CHAT, seq) for seq in range(1, 11)))
    assert await reads.find("bob") == {CHAT: 10}


async def test_many_marks_rise_in_one_write_and_none_goes_back(reads: ReadStore) -> None:
    await reads.raise_all("bob", {CHAT: 6, "g:team": 2})
    await reads.raise_all("bob", {CHAT: 3, "g:team": 4, "g:other": 1})
    await reads.raise_all("bob", {})
    assert await reads.find("bob") == {CHAT: 6, "g:team": 4, "g:other": 1}
    assert await reads.find("alice") == {}


async def test_a_mongodb_that_is_away_is_unavailable() -> None:
    settings = MongoSettings(url="mongodb://127.0.0.1:1/?replicaSet=rs", timeout_seconds=0.2)
    async with open_mongo(settings) as database:
        with pytest.raises(WhimbrelError) as raised:
            await MongoReadStore(database).raise_to("bob", CHAT, 1)
        assert raised.value.code is ErrorCode.UNAVAILABLE
