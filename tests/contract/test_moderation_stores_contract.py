"""What the stores of words and cases promise, on memory and on MongoDB with both drivers."""

from __future__ import annotations

from typing import Any

import pytest

from services.logic.adapters.moderation_stores_mongo import MongoCaseStore
from services.logic.adapters.word_store_mongo import MongoWordStore
from services.logic.domain.words import Action
from services.logic.moderation_ports import CaseStore, Flagged, Report, WordStore
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.moderation import MemoryCaseStore, MemoryWordStore


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def words(request: pytest.FixtureRequest, open_database: Any) -> WordStore:
    if request.param == "memory":
        return MemoryWordStore()
    store = MongoWordStore(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def cases(request: pytest.FixtureRequest, open_database: Any) -> CaseStore:
    if request.param == "memory":
        return MemoryCaseStore()
    store = MongoCaseStore(await open_database(request.param))
    await store.prepare()
    return store


async def test_every_change_of_the_list_raises_its_version(words: WordStore) -> None:
    seen = [await words.version()]
    await words.put({"one": Action.FLAG, "two": Action.MASK})
    seen.append(await words.version())
    await words.put({"two": Action.REJECT})
    seen.append(await words.version())
    await words.remove(["one", "never there"])
    seen.append(await words.version())
    await words.replace({"three": Action.MASK})
    seen.append(await words.version())
    assert seen == sorted(set(seen))
    book = await words.load()
    assert (dict(book.words), book.version) == ({"three": Action.MASK}, seen[-1])


async def test_words_are_put_and_removed_one_by_one(words: WordStore) -> None:
    await words.put({"one": Action.FLAG, "two": Action.MASK, "a b/c": Action.FLAG})
    await words.put({"two": Action.REJECT})
    await words.remove(["one"])
    assert dict((await words.load()).words) == {"two": Action.REJECT, "a b/c": Action.FLAG}


async def test_a_long_list_is_replaced_whole_and_listed_in_pages(words: WordStore) -> None:
    many = {f"word{number:05}": Action.MASK for number in range(12_000)}
    await words.replace(many)
    assert dict((await words.load()).words) == many
    assert [word for word, _ in await words.page("", 2)] == ["word00000", "word00001"]
    assert await words.page("word11998", 5) == [("word11999", Action.MASK)]
    await words.replace({})
    assert dict((await words.load()).words) == {}


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_who_adds_to_a_list_that_was_replaced_meanwhile_is_told(
    open_database: Any, driver: str
) -> None:
    class Late(MongoWordStore):
        async def _current(self) -> tuple[str, int]:
            return "an old list", 1

    database = await open_database(driver)
    await MongoWordStore(database).prepare()
    with pytest.raises(WhimbrelError) as raised:
        await Late(database).put({"lost": Action.FLAG})
    assert raised.value.code is ErrorCode.CONFLICT
    assert dict((await MongoWordStore(database).load()).words) == {}


async def test_a_report_counts_once_in_its_time(cases: CaseStore) -> None:
    first = Report("eve", "bob", "spam", (1 << 62) + 1, 100)
    assert await cases.report(first, counts_after_ms=0)
    assert not await cases.report(first._replace(at_ms=150), counts_after_ms=100)
    assert await cases.report(first._replace(at_ms=300), counts_after_ms=200)
    assert await cases.report(Report("ann", "bob", "rude", 0, 250), counts_after_ms=0)
    assert await cases.reports(1_000, 10) == [
        first._replace(at_ms=300),
        Report("ann", "bob", "rude", 0, 250),
    ]
    assert [one.reporter for one in await cases.reports(300, 10)] == ["ann"]


async def test_what_was_flagged_is_listed_once_newest_first(cases: CaseStore) -> None:
    one = Flagged("bob", "phone", "c1", "g:x", ("weasel", "stoat"), 10)
    two = Flagged("bob", "phone", "c2", "g:x", ("weasel",), 20)
    await cases.flag([one])
    await cases.flag([one._replace(at_ms=99), two])
    assert await cases.flags(1_000, 10) == [two, one]
    assert await cases.flags(1_000, 1) == [two]
    assert await cases.flags(20, 10) == [one]
