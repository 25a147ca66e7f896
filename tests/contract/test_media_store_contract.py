"""What the store of media promises, in memory and on MongoDB: offsets, leases, quotas."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.gateway.adapters.media_store_mongo import MongoMediaStore
from services.gateway.domain.media import Media, MediaState
from services.gateway.media_ports import MediaStore
from tests.contract.conftest import OpenDatabase
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.media_store import MemoryMediaStore

DAY = 86_400_000


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def store(request: pytest.FixtureRequest, open_database: OpenDatabase) -> MediaStore:
    made: MediaStore
    if request.param == "memory":
        made = MemoryMediaStore()
    else:
        made = MongoMediaStore(await open_database(request.param))
    await made.prepare()
    return made


def medium(media_id: str = "m1", *, size: int = 100, owner: str = "alice") -> Media:
    return Media(media_id, owner, "cat.png", "image/png", size, f"handle-{media_id}", 1000, DAY)


async def add(
    store: MediaStore, media: Media, *, quota: int = 1000, max_open: int = 3
) -> ErrorCode | None:
    try:
        await store.add(media, quota_bytes=quota, max_open=max_open)
    except WhimbrelError as error:
        return error.code
    return None


async def test_what_was_added_is_found_as_it_was(store: MediaStore) -> None:
    await add(store, medium())
    assert await store.find("m1") == medium()
    assert await store.find("m2") is None


async def test_a_quota_is_never_exceeded_also_not_at_once(store: MediaStore) -> None:
    outcomes = await asyncio.gather(
        *(add(store, medium(f"m{number}", size=300), max_open=100) for number in range(8))
    )
    assert sorted(map(str, outcomes)) == sorted(
        map(str, [None] * 3 + [ErrorCode.BODY_TOO_LARGE] * 5)
    )
    assert await store.used_bytes("alice") == 900
    assert await add(store, medium("exactly", size=100), max_open=100) is None
    assert await add(store, medium("hers", owner="bob")) is None


async def test_unfinished_uploads_are_bounded(store: MediaStore) -> None:
    for number in range(3):
        assert await add(store, medium(f"m{number}")) is None
    assert await add(store, medium("m4")) is ErrorCode.OVERLOADED
    await store.complete("m0", "image/png")
    assert await add(store, medium("m4")) is None


async def test_one_writer_at_a_time_moves_the_offset(store: MediaStore) -> None:
    await add(store, medium())

    def claim(writer: str, offset: int, now_ms: int) -> object:
        return store.claim("m1", offset, writer, now_ms=now_ms, until_ms=now_ms + 100)

    def advance(writer: str, offset: int, to: int) -> object:
        return store.advance("m1", writer, offset, to, until_ms=1100, expires_ms=2 * DAY)

    got = await asyncio.gather(*(claim(f"w{number}", 0, 1000) for number in range(5)))  # type: ignore[call-overload]
    assert sorted(got) == [False] * 4 + [True]
    first = f"w{got.index(True)}"
    assert not await claim("other", 0, 1099)  # type: ignore[misc]
    assert await advance(first, 0, 40)  # type: ignore[misc]
    assert not await advance(first, 0, 40)  # type: ignore[misc]
    assert not await advance("other", 40, 50)  # type: ignore[misc]
    assert not await claim("other", 0, 1100)  # type: ignore[misc]
    # The lease has run out: whoever comes goes on, and the one before cannot any more.
    assert await claim("other", 40, 1100)  # type: ignore[misc]
    assert not await advance(first, 40, 50)  # type: ignore[misc]
    await store.release("m1", first)
    assert await advance("other", 40, 100)  # type: ignore[misc]
    await store.release("m1", "other")
    assert await store.find("m1") == replace(medium(), offset=100, expires_ms=2 * DAY)
    await store.complete("m1", "image/png")
    assert not await claim("late", 100, 5000)  # type: ignore[misc]


async def test_a_medium_has_one_thumbnail(store: MediaStore) -> None:
    await add(store, medium())
    assert not await store.add_thumbnail("m1", "early", 5)
    await store.complete("m1", "image/png")
    assert await store.add_thumbnail("m1", "first", 7)
    assert not await store.add_thumbnail("m1", "second", 9)
    found = await store.find("m1")
    assert found is not None
    assert found.thumbnail_bytes == 7
    assert (found.thumbnail, found.state, found.type) == ("first", MediaState.COMPLETE, "image/png")


async def test_what_is_forgotten_gives_its_room_back_once(store: MediaStore) -> None:
    for media_id in ("m1", "m2"):
        await add(store, medium(media_id))
    await store.complete("m1", "image/png")
    for _ in range(2):
        await store.begin_delete("m1")
        await store.forget(medium())
    assert await store.find("m1") is None
    assert await store.used_bytes("alice") == 100


async def test_stale_is_what_expired_and_what_was_half_deleted(store: MediaStore) -> None:
    for media_id in ("old", "new", "done", "half"):
        expires_ms = 5 if media_id == "old" else DAY
        await add(store, replace(medium(media_id), expires_ms=expires_ms), max_open=9)
    await store.complete("done", "image/png")
    await store.complete("half", "image/png")
    await store.begin_delete("half")
    assert {one.media_id for one in await store.stale(1000, 10)} == {"old", "half"}
    assert len(await store.stale(1000, 1)) == 1
    # Whoever goes on with one in the meantime is not cut off.
    for media_id, is_begun in (("old", True), ("new", False), ("done", False), ("half", True)):
        assert await store.begin_delete(media_id, expired_by_ms=1000) == is_begun
    assert not await store.begin_delete("nothing")


async def test_a_reservation_whose_pod_died_is_given_back(open_database: OpenDatabase) -> None:
    database = await open_database("pymongo")
    store = MongoMediaStore(database)
    await store.prepare()
    for media_id in ("lost", "done", "going"):
        await store.add(medium(media_id), quota_bytes=1000, max_open=9)
    # Died between the reservation and the medium, and between the medium and its settling.
    await database["media"].delete_one({"_id": "lost"})
    await database["media"].update_one({"_id": "done"}, {"$set": {"state": "complete"}})
    assert await store.settle(999, 10) == 0
    assert await store.settle(1000, 10) == 2
    assert await store.settle(1000, 10) == 0
    row = await database["media_usage"].find_one({"_id": "alice"})
    assert row is not None
    assert (row["bytes"], [one["id"] for one in row["open"]]) == (200, ["going"])
