"""What every store of device keys promises: a prekey is given out once, whoever asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.gateway.adapters.device_key_store_mongo import MongoDeviceKeyStore
from services.gateway.domain.device_keys import Bundle, Publication, Renewal, follow
from services.gateway.key_ports import DeviceKeyStore
from tests.key_ring import KeyRing
from whimbrel.testing.memory_stores.device_key_store import MemoryDeviceKeyStore

PHONE = KeyRing("alice", "phone")
DESK = KeyRing("alice", "desk")


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def store(request: pytest.FixtureRequest, open_database: Any) -> DeviceKeyStore:
    if request.param == "memory":
        return MemoryDeviceKeyStore()
    made = MongoDeviceKeyStore(await open_database(request.param))
    await made.prepare()
    return made


async def renewal(store: DeviceKeyStore, ring: KeyRing, publication: Publication) -> Renewal:
    """How it follows what is there now."""
    owner = (ring.user_id, ring.device_id)
    before = await store.find(*owner)
    return follow(before, *owner, publication, max_prekeys=1000, now_ms=1000)


async def publish(store: DeviceKeyStore, ring: KeyRing, *ids: int, signed_id: int = 1) -> None:
    publication = ring.publication(signed_id, ids)
    assert await store.publish(await renewal(store, ring, publication))


async def take(store: DeviceKeyStore, *devices: str) -> list[Bundle]:
    return list(await store.take("alice", devices, with_prekeys=True))


async def test_what_was_published_is_found_as_it_was(store: DeviceKeyStore) -> None:
    made = await renewal(store, PHONE, PHONE.publication(3, [1, 2]))
    assert await store.publish(made)
    found = await store.find("alice", "phone")
    assert found is not None
    assert found.version == 1
    assert (found.identity, found.signed_prekey, found.prekeys) == PHONE.publication(3, [1, 2])
    assert (found.highest_prekey_id, found.changed_at_ms) == (2, 1000)
    assert await store.find("alice", "desk") is None
    assert await store.find("bob", "phone") is None


async def test_a_bundle_has_the_next_prekey_and_none_when_they_are_used_up(
    store: DeviceKeyStore,
) -> None:
    await publish(store, PHONE, 1, 2)
    await publish(store, DESK)
    expected = PHONE.publication(1, [1, 2])
    for prekey in (*expected.prekeys, None, None):
        desk, phone = await take(store, "phone", "desk", "watch")
        assert (desk.device_id, desk.prekey) == ("desk", None)
        assert phone == Bundle(
            "phone", expected.identity, expected.signed_prekey, prekey, phone.changed_at_ms
        )
    assert await take(store, "watch") == await take(store) == []
    assert await store.take("bob", ["phone"], with_prekeys=True) == []


async def test_who_gets_no_prekeys_leaves_them_to_others(store: DeviceKeyStore) -> None:
    await publish(store, PHONE, 1)
    (without,) = await store.take("alice", ["phone"], with_prekeys=False)
    (with_one,) = await take(store, "phone")
    assert without == with_one._replace(prekey=None)
    assert with_one.prekey is not None


async def test_each_prekey_is_given_out_once_to_many_at_once(store: DeviceKeyStore) -> None:
    await publish(store, PHONE, *range(1, 31))
    taken = await asyncio.gather(*(take(store, "phone") for _ in range(50)))
    given = [bundle.prekey for (bundle,) in taken]
    assert sorted(one.key_id for one in given if one is not None) == list(range(1, 31))
    assert given.count(None) == 20


async def test_what_is_taken_while_more_is_published_stays_taken(store: DeviceKeyStore) -> None:
    await publish(store, PHONE, *range(1, 11))
    made = await renewal(store, PHONE, PHONE.publication(2, range(11, 21)))
    first = [bundle.prekey for _ in range(4) for bundle in await take(store, "phone")]
    assert await store.publish(made)
    rest = await asyncio.gather(*(take(store, "phone") for _ in range(20)))
    given = [one for one in [*first, *(bundle.prekey for (bundle,) in rest)] if one is not None]
    assert sorted(one.key_id for one in given) == list(range(1, 21))


async def test_of_two_publications_at_once_one_is_refused_and_changes_nothing(
    store: DeviceKeyStore,
) -> None:
    again = KeyRing("alice", "phone", "installed again")
    for rings in ((PHONE, again), (again, PHONE)):
        made = [await renewal(store, ring, ring.publication(9, [1])) for ring in rings]
        done = await asyncio.gather(*(store.publish(one) for one in made))
        assert sorted(done) == [False, True]
        found = await store.find("alice", "phone")
        assert found is not None
        assert found.identity == made[done.index(True)].keys.identity
        assert len(found.prekeys) == 1


async def test_prekeys_never_come_to_another_identity(store: DeviceKeyStore) -> None:
    await publish(store, PHONE, 1)
    late = await renewal(store, PHONE, PHONE.publication(1, [2]))
    await store.remove("alice", "phone")
    again = KeyRing("alice", "phone", "installed again")
    await publish(store, again, 1)
    assert not await store.publish(late)
    found = await store.find("alice", "phone")
    assert found is not None
    assert found.prekeys == again.publication(1, [1]).prekeys


async def test_what_was_removed_is_gone(store: DeviceKeyStore) -> None:
    await publish(store, PHONE, 1)
    await publish(store, DESK, 1)
    assert await store.remove("alice", "phone")
    assert not await store.remove("alice", "phone")
    assert [bundle.device_id for bundle in await take(store, "phone", "desk")] == ["desk"]
