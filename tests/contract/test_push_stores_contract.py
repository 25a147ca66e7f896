"""What the other stores of push promise, on memory and on the real ones."""

from __future__ import annotations

import pytest

from services.gateway.adapters.device_store_mongo import MongoDeviceStore as GatewayDevices
from services.gateway.domain.accounts import Device
from services.push.adapters.dead_letters_redis import RedisDeadLetters
from services.push.adapters.device_store_mongo import MongoDeviceStore
from services.push.adapters.wake_memory_redis import RedisWakeMemory
from services.push.domain.wakes import Wake, WakeKey
from services.push.wake_ports import DeadLetter, DeadLetters, DeviceStore, PushDevice, WakeMemory
from tests.contract.conftest import OpenDatabase, OpenEmptyRedis
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.push_stores import (
    MemoryDeadLetters,
    MemoryDevices,
    MemoryWakeMemory,
)

NOW = 1_700_000_000_000
BOUND = 100


def wake(seq: int, device: str = "phone") -> Wake:
    return Wake("bob", device, "d:alice:bob", "alice", 1000 + seq, seq, NOW)


@pytest.fixture(params=["memory", "redis"])
async def memory(request: pytest.FixtureRequest, open_empty_redis: OpenEmptyRedis) -> WakeMemory:
    if request.param == "memory":
        return MemoryWakeMemory()
    return RedisWakeMemory(await open_empty_redis())


@pytest.fixture(params=["memory", "redis"])
async def letters(request: pytest.FixtureRequest, open_empty_redis: OpenEmptyRedis) -> DeadLetters:
    if request.param == "memory":
        return MemoryDeadLetters(max_letters=BOUND)
    redis = await open_empty_redis()
    return RedisDeadLetters(redis, max_letters=BOUND)


PHONE = PushDevice("bob", "phone", "ios", "apns", "aa11")
BROWSER = PushDevice("bob", "browser", "web", "webpush", "{}")
CAROLS = PushDevice("carol", "phone", "android", "fcm", "token-c")


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def devices(request: pytest.FixtureRequest, open_database: OpenDatabase) -> DeviceStore:
    """Devices as the gateway stores them, one of them without a way to be woken."""
    known = [PHONE, BROWSER, CAROLS, PushDevice("bob", "old", "ios", "", "")]
    if request.param == "memory":
        return MemoryDevices(known)
    database = await open_database(request.param)
    gateway = GatewayDevices(database)
    await gateway.prepare()
    for one in known:
        await gateway.put(Device(*one, updated_ms=NOW))
    return MongoDeviceStore(database)


async def test_the_highest_seq_that_was_sent_is_remembered(memory: WakeMemory) -> None:
    await memory.remember([wake(3), wake(5, "pc")])
    await memory.remember([wake(12)])
    await memory.remember([])
    asked = [wake(1).key, wake(1, "pc").key, WakeKey("bob", "phone", "g:other")]
    assert await memory.recent(asked) == {wake(1).key: 12, wake(1, "pc").key: 5}
    assert await memory.recent([]) == {}


async def test_dead_letters_are_listed_newest_first_page_by_page(letters: DeadLetters) -> None:
    await letters.add([DeadLetter("", "apns", "BadTopic", wake(seq), NOW) for seq in range(1, 6)])
    first = await letters.newest("", 3)
    second = await letters.newest(first[-1].letter_id, 3)
    assert [one.wake.seq for one in (*first, *second)] == [5, 4, 3, 2, 1]
    assert first[0].provider == "apns"
    assert first[0].reason == "BadTopic"
    assert first[0].wake == wake(5)
    assert await letters.newest(second[-1].letter_id, 3) == []


async def test_a_dead_letter_that_was_removed_is_not_found(letters: DeadLetters) -> None:
    await letters.add([DeadLetter("", "fcm", "timeout", wake(seq), NOW) for seq in (1, 2)])
    newer, older = await letters.newest("", 10)
    assert await letters.find([older.letter_id, "1-1"]) == [older]
    await letters.remove([older.letter_id])
    assert await letters.find([older.letter_id, newer.letter_id]) == [newer]
    assert await letters.length() == 1


async def test_an_id_that_is_none_is_refused(letters: DeadLetters) -> None:
    for call in (letters.find(["nonsense"]), letters.newest("nonsense", 1)):
        with pytest.raises(WhimbrelError) as raised:
            await call
        assert raised.value.code is ErrorCode.INVALID_ARGUMENT


async def test_dead_letters_are_bounded(letters: DeadLetters) -> None:
    await letters.add([DeadLetter("", "fcm", "timeout", wake(seq), NOW) for seq in range(1, 401)])
    # Redis drops whole nodes of the stream, so its bound is approximate.
    assert BOUND <= await letters.length() <= BOUND + 100
    assert (await letters.newest("", 1))[0].wake.seq == 400


async def test_devices_that_can_be_woken_are_found_by_user_and_by_id(
    devices: DeviceStore,
) -> None:
    found = await devices.of_users({"bob", "carol", "dave"})
    assert {user: sorted(ones) for user, ones in found.items()} == {
        "bob": [BROWSER, PHONE],
        "carol": [CAROLS],
    }
    asked = {("bob", "phone"), ("bob", "old"), ("carol", "phone"), ("dave", "phone")}
    assert await devices.find(asked) == {("bob", "phone"): PHONE, ("carol", "phone"): CAROLS}


async def test_a_dead_token_is_forgotten_once(devices: DeviceStore) -> None:
    assert await devices.forget_token(PHONE)
    assert not await devices.forget_token(PHONE)
    assert await devices.of_users({"bob"}) == {"bob": [BROWSER]}


async def test_a_newer_token_stays_when_an_older_one_is_dead(devices: DeviceStore) -> None:
    assert not await devices.forget_token(PHONE._replace(token="older"))
    assert await devices.find({("bob", "phone")}) == {("bob", "phone"): PHONE}
