"""What every RevocationStore promises, on memory and on MongoDB."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import pytest

from tests.stores import own_database
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.revocations import Revocation
from whimbrel.runtime.revocation_store import MongoRevocationStore, RevocationStore
from whimbrel.runtime.settings import MongoSettings
from whimbrel.runtime.stores import open_mongo
from whimbrel.testing.memory_stores.revocations import MemoryRevocationStore

Open = Callable[..., RevocationStore]
AT = float(int(time.time()))
UNTIL = AT + 3600


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens a store, with this `page`; all of one test are the same one."""
    if request.param == "memory":
        yield MemoryRevocationStore
        return
    url = request.getfixturevalue("mongo_url")
    async with own_database(url, driver=request.param) as database:
        store = MongoRevocationStore(database)
        await store.prepare()
        await store.prepare()
        yield lambda **of: MongoRevocationStore(database, **of)


def one(user: str, at: float = AT, **of: str) -> Revocation:
    return Revocation(user, at, UNTIL, **of)


async def test_it_comes_back_as_it_was_kept(opened: Open) -> None:
    store = opened()
    kept = [
        one("alice"),
        one("alice", device_id="phone"),
        one("alice", login_id="l1"),
        one("bob", but_login_id="l2"),
    ]
    assert await store.since(0) == ([], 0, False)
    await store.add(kept)
    page = await store.since(0)
    assert page.revocations == kept
    assert not page.has_more


async def test_whoever_looks_with_the_last_mark_misses_nothing(opened: Open) -> None:
    store = opened()
    await store.add([one("alice")])
    mark_ms = (await store.since(0)).mark_ms
    for number in range(5):
        await store.add([one(f"user-{number}")])
        page = await store.since(mark_ms)
        assert one(f"user-{number}") in page.revocations
        assert page.mark_ms >= mark_ms
        mark_ms = page.mark_ms


async def test_a_later_one_of_the_same_takes_its_place_and_is_news(opened: Open) -> None:
    store = opened()
    await store.add([one("alice")])
    mark_ms = (await store.since(0)).mark_ms
    await store.add([one("alice", AT + 5, but_login_id="l1")])
    assert (await store.since(mark_ms)).revocations[-1] == one("alice", AT + 5, but_login_id="l1")


async def test_many_come_in_pages_that_end(opened: Open) -> None:
    store = opened(page=3)
    everybody = [one(f"user-{number}") for number in range(10)]
    for each in everybody:
        await store.add([each])
    seen: set[str] = set()
    mark_ms, has_more, looks = 0, True, 0
    while has_more:
        page = await store.since(mark_ms)
        assert len(page.revocations) <= 3
        seen |= {each.user_id for each in page.revocations}
        mark_ms, has_more = page.mark_ms, page.has_more
        looks += 1
        assert looks <= 20
    assert seen == {each.user_id for each in everybody}


async def test_a_mongodb_that_is_away_is_unavailable() -> None:
    settings = MongoSettings(url="mongodb://127.0.0.1:1/?replicaSet=rs", timeout_seconds=0.2)
    async with open_mongo(settings) as database:
        store = MongoRevocationStore(database)
        for ask in (lambda: store.since(0), lambda: store.add([one("alice")])):
            with pytest.raises(WhimbrelError) as raised:
                await ask()
            assert raised.value.code is ErrorCode.UNAVAILABLE
