"""What every CursorStore promises, on memory and on MongoDB with both drivers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.domain.model import DeviceCursor
from services.logic.ports import CursorStore
from whimbrel.testing.memory_stores.cursor_store import MemoryCursorStore


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def cursors(request: pytest.FixtureRequest, open_database: Any) -> CursorStore:
    if request.param == "memory":
        return MemoryCursorStore()
    store = MongoCursorStore(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


PHONE, LAPTOP = ("bob", "phone"), ("bob", "laptop")


async def test_cursors_are_found_by_user_and_device(cursors: CursorStore) -> None:
    await cursors.raise_to(
        [DeviceCursor(*PHONE, 3), DeviceCursor(*LAPTOP, 5), DeviceCursor("carol", "phone", 0)]
    )
    await cursors.raise_to([])
    devices = [PHONE, LAPTOP, ("carol", "phone"), ("dave", "phone")]
    assert await cursors.find(devices) == {PHONE: 3, LAPTOP: 5, ("carol", "phone"): 0}
    assert await cursors.find([]) == {}


async def test_a_cursor_never_goes_back(cursors: CursorStore) -> None:
    await cursors.raise_to([DeviceCursor(*PHONE, 5)])
    await cursors.raise_to([DeviceCursor(*PHONE, 3), DeviceCursor(*LAPTOP, 1)])
    assert await cursors.find([PHONE, LAPTOP]) == {PHONE: 5, LAPTOP: 1}
    await cursors.raise_to([DeviceCursor(*PHONE, 6)])
    await cursors.raise_to([DeviceCursor(*PHONE, 6)])
    assert await cursors.find([PHONE]) == {PHONE: 6}


async def test_one_batch_may_name_a_device_twice(cursors: CursorStore) -> None:
    await cursors.raise_to([DeviceCursor(*PHONE, seq) for seq in (2, 9, 4)])
    assert await cursors.find([PHONE]) == {PHONE: 9}


async def test_first_reports_at_once_end_at_the_highest(cursors: CursorStore) -> None:
    devices = [("bob", f"device-{number}") for number in range(20)]
    await asyncio.gather(
        *(
            cursors.raise_to([DeviceCursor(*device, seq) for device in devices])
            for seq in range(1, 9)
        )
    )
    assert await cursors.find(devices) == dict.fromkeys(devices, 8)


async def test_all_devices_of_users_are_found_at_once(cursors: CursorStore) -> None:
    await cursors.raise_to(
        [DeviceCursor(*PHONE, 3), DeviceCursor(*LAPTOP, 5), DeviceCursor("carol", "phone", 0)]
    )
    assert await cursors.find_of_users(["bob", "dave"]) == {PHONE: 3, LAPTOP: 5}
    assert await cursors.find_of_users([]) == {}
    assert await cursors.highest(["bob", "carol", "dave"]) == {"bob": 5, "carol": 0}


async def test_a_first_cursor_never_lowers_one_that_came_before_it(cursors: CursorStore) -> None:
    await cursors.raise_to([DeviceCursor(*PHONE, 5)])
    await cursors.create([DeviceCursor(*PHONE, 3), DeviceCursor(*LAPTOP, 1)])
    assert await cursors.find([PHONE, LAPTOP]) == {PHONE: 5, LAPTOP: 1}
    await cursors.create([DeviceCursor(*PHONE, 8), DeviceCursor("carol", "phone", 0)])
    await cursors.create([])
    assert await cursors.find([PHONE, ("carol", "phone")]) == {PHONE: 8, ("carol", "phone"): 0}


async def test_first_cursors_of_one_device_end_at_the_highest(cursors: CursorStore) -> None:
    await cursors.create([DeviceCursor(*PHONE, seq) for seq in (2, 9, 4)])
    devices = [("bob", f"device-{number}") for number in range(20)]
    await asyncio.gather(
        *(cursors.create([DeviceCursor(*device, seq) for device in devices]) for seq in range(1, 9))
    )
    assert await cursors.find([PHONE, *devices]) == {PHONE: 9} | dict.fromkeys(devices, 8)


async def test_cursors_are_larger_than_32_bits(cursors: CursorStore) -> None:
    await cursors.raise_to([DeviceCursor(*PHONE, 7)])
    await cursors.raise_to([DeviceCursor(*PHONE, 1 << 40)])
    assert await cursors.find([PHONE]) == {PHONE: 1 << 40}


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_rows_say_whose_they_are(open_database: Any, driver: str) -> None:
    database = await open_database(driver)
    store = MongoCursorStore(database)
    await store.prepare()
    await store.raise_to([DeviceCursor(*PHONE, 3)])
    await store.create([DeviceCursor(*LAPTOP, 4)])
    rows = await database["cursors"].find({"user": "bob"}).sort("cursor", 1).to_list(None)
    assert rows == [
        {"_id": "bob/phone", "user": "bob", "device": "phone", "cursor": 3},
        {"_id": "bob/laptop", "user": "bob", "device": "laptop", "cursor": 4},
    ]
