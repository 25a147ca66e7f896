"""Keys of devices over HTTP: published, verified, given out once, not to those who are blocked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.gateway.key_settings import KeySettings
from tests.component.gateway.gateway_world import (
    GatewayWorld,
    code_of,
    gateway,
    until_logic_answers,
)
from tests.component.gateway.people_world import PeopleWorld
from tests.key_ring import KeyRing

PHONE = KeyRing("bob", "phone")
DESK = KeyRing("bob", "desk")
KEYS = "/v1/users/bob/keys"
IDENTITIES = f"{KEYS}/identities"


async def publish(people: PeopleWorld, ring: KeyRing, *ids: int, signed_id: int = 1) -> Any:
    device = f"/v1/devices/{ring.device_id}"
    await people.done(ring.user_id, "PUT", device, {"platform": "ios"})
    return await people.done(ring.user_id, "PUT", f"{device}/keys", ring.body(signed_id, ids))


def bundle_of(ring: KeyRing, prekey: int | None, changed_at_ms: int) -> dict[str, Any]:
    """As whoever asks gets it."""
    body = ring.body(1, [] if prekey is None else [prekey])
    one_time = body.pop("one_time_prekeys")
    return {
        "device_id": ring.device_id,
        **body,
        "one_time_prekey": one_time[0] if one_time else None,
        "changed_at_ms": changed_at_ms,
    }


async def test_a_bundle_for_each_device_and_a_prekey_until_they_are_used_up(
    people: PeopleWorld,
) -> None:
    assert await people.done("alice", "GET", KEYS) == []
    phone = await publish(people, PHONE, 1, 2)
    desk = await publish(people, DESK)
    since = phone["changed_at_ms"]
    assert phone == {
        "device_id": "phone",
        "one_time_prekeys": 2,
        "highest_prekey_id": 2,
        "signed_prekey_id": 1,
        "changed_at_ms": since,
    }
    for prekey in (1, 2, None):
        assert await people.done("alice", "GET", KEYS) == [
            bundle_of(DESK, None, desk["changed_at_ms"]),
            bundle_of(PHONE, prekey, since),
        ]
    left = await people.done("bob", "GET", "/v1/devices/phone/keys/count")
    assert left == {**phone, "one_time_prekeys": 0}
    assert await publish(people, PHONE, 1, 2, 3) == {
        **phone,
        "one_time_prekeys": 1,
        "highest_prekey_id": 3,
    }
    answer = await people.call("alice", "GET", f"{KEYS}?device_id=phone")
    assert answer.json() == [bundle_of(PHONE, 3, since)]
    assert answer.headers["cache-control"] == "no-store"
    assert await people.done("alice", "GET", f"{KEYS}?device_id=watch") == []


async def test_two_gateways_give_no_prekey_out_twice(people: PeopleWorld, tmp_path: Path) -> None:
    await publish(people, PHONE, *range(1, 21))
    callers = ("alice", "carol", "dora")
    folder = tmp_path / "second"
    folder.mkdir()
    name = people.gateway.database.name
    async with gateway(
        folder, people.url, router=people.logic.router_address, database_name=name
    ) as second:
        await until_logic_answers(second)
        pods = [people, people._replace(gateway=second)]
        answers = await asyncio.gather(
            *(pod.done(who, "GET", KEYS) for pod in pods for who in callers for _ in range(5))
        )
    given = [bundle["one_time_prekey"] for (bundle,) in answers]
    ids = [one["key_id"] for one in given if one is not None]
    assert sorted(ids) == list(range(1, 21))
    assert given.count(None) == 10


async def test_who_may_not_write_gets_no_keys(people: PeopleWorld) -> None:
    await publish(people, PHONE, 1, 2, 3)
    await people.group("bob", "carol")
    friends_only = {"strangers_may_write": False, "presence": "friends"}
    await people.done("bob", "PUT", "/v1/users/me/privacy", friends_only)
    assert code_of(await people.call("dora", "GET", KEYS)) == (403, "NOT_FRIENDS")
    assert len(await people.done("carol", "GET", KEYS)) == 1
    await people.done("bob", "PUT", "/v1/blocks/carol")
    assert code_of(await people.call("carol", "GET", KEYS)) == (403, "BLOCKED")
    unknown = await people.call("alice", "GET", "/v1/users/nobody/keys")
    assert code_of(unknown) == (404, "NOT_FOUND")
    left = await people.done("bob", "GET", "/v1/devices/phone/keys/count")
    assert left["one_time_prekeys"] == 2
    assert len(await people.done("bob", "GET", KEYS)) == 1  # their own other devices


async def test_keys_go_with_their_device_or_alone(people: PeopleWorld) -> None:
    await publish(people, PHONE, 1)
    await publish(people, DESK, 1)
    for method, path in (
        ("DELETE", "/v1/devices/phone/keys"),
        ("DELETE", "/v1/devices/desk"),
    ):
        assert (await people.call("bob", method, path)).status_code == 204
        assert code_of(await people.call("bob", method, path)) == (404, "NOT_FOUND")
    assert await people.done("alice", "GET", KEYS) == []
    for device in ("phone", "desk"):
        count = await people.call("bob", "GET", f"/v1/devices/{device}/keys/count")
        assert code_of(count) == (404, "NOT_FOUND")
    # A device that comes back under its name has no keys until it publishes some.
    await people.done("bob", "PUT", "/v1/devices/desk", {"platform": "ios"})
    assert await people.done("alice", "GET", KEYS) == []
    refused = await people.call(
        "bob", "PUT", "/v1/devices/none/keys", KeyRing("bob", "none").body()
    )
    assert code_of(refused) == (404, "NOT_FOUND")


async def test_another_identity_is_seen_by_when_it_came(people: PeopleWorld) -> None:
    first = await publish(people, PHONE, 1, 2)
    again = KeyRing("bob", "phone", "installed again")
    second = await publish(people, again, 1)
    assert second["changed_at_ms"] > first["changed_at_ms"]
    (bundle,) = await people.done("alice", "GET", KEYS)
    assert bundle == bundle_of(again, 1, second["changed_at_ms"])


async def test_who_has_sessions_compares_identities_and_takes_nobody_s_prekey(
    people: PeopleWorld,
) -> None:
    await publish(people, PHONE, 1)
    await publish(people, DESK, 1)
    known = await people.done("alice", "GET", IDENTITIES)
    assert [who["device_id"] for who in known] == ["desk", "phone"]
    assert await people.done("bob", "GET", IDENTITIES) == known  # and for oneself
    again = KeyRing("bob", "phone", "installed again")
    changed = (await publish(people, again, 1))["changed_at_ms"]
    desk, phone = await people.done("alice", "GET", IDENTITIES)
    assert desk == known[0]
    assert phone["identity_key"] == again.body()["identity_key"] != known[1]["identity_key"]
    assert phone["changed_at_ms"] == changed > known[1]["changed_at_ms"]
    bundles = await people.done("alice", "GET", KEYS)
    assert [bundle["one_time_prekey"]["key_id"] for bundle in bundles] == [1, 1]
    assert [bundle | who for bundle, who in zip(bundles, (desk, phone), strict=True)] == bundles
    await people.done("bob", "PUT", "/v1/blocks/carol")
    assert code_of(await people.call("carol", "GET", IDENTITIES)) == (403, "BLOCKED")


async def test_who_asks_too_often_waits_and_cannot_use_up_what_is_for_others(
    tmp_path: Path, people: PeopleWorld
) -> None:
    await publish(people, PHONE, *range(1, 11))
    folder = tmp_path / "strict"
    folder.mkdir()
    async with gateway(
        folder,
        people.url,
        router=people.logic.router_address,
        database_name=people.gateway.database.name,
        keys=KeySettings(fetches_per_minute=5, prekeys_per_hour=3),
    ) as strict:
        await until_logic_answers(strict)
        world = people._replace(gateway=strict)
        bundles = [(await world.done("alice", "GET", KEYS))[0] for _ in range(5)]
        assert [bundle["one_time_prekey"] is not None for bundle in bundles] == [True] * 3 + [
            False
        ] * 2
        assert code_of(await world.call("alice", "GET", IDENTITIES)) == (429, "OVERLOADED")
        refused = await world.call("alice", "GET", KEYS)
        assert code_of(refused) == (429, "OVERLOADED")
        assert int(refused.headers["retry-after"]) >= 1
        (for_carol,) = await world.done("carol", "GET", KEYS)
        assert for_carol["one_time_prekey"]["key_id"] == 4


async def test_without_logic_nobody_gets_keys_of_others(world: GatewayWorld) -> None:
    tokens = {who: (await world.register(who))["access_token"] for who in ("alice", "bob")}
    await world.call("PUT", "/v1/devices/phone", {"platform": "ios"}, token=tokens["bob"])
    body = PHONE.body(1, [1])
    await world.call("PUT", "/v1/devices/phone/keys", body, token=tokens["bob"])
    refused = await world.call("GET", KEYS, token=tokens["alice"])
    assert code_of(refused) == (503, "UNAVAILABLE")
    (bundle,) = (await world.call("GET", KEYS, token=tokens["bob"])).json()
    assert bundle["one_time_prekey"]["key_id"] == 1


BAD: list[dict[str, Any]] = [
    {"signing_key": "A" * 43},
    {"identity_key": "A" * 43},
    {"identity_key": PHONE.body()["identity_key"] + "="},
    {"identity_key": PHONE.body()["identity_key"][:-1] + "/"},
    {"identity_key": "A" * 42 + "B"},
    {"identity_signature": "A" * 86},
    {"signed_prekey": {**PHONE.body()["signed_prekey"], "key_id": 2}},
    {"signed_prekey": {**PHONE.body()["signed_prekey"], "key_id": "1"}},
    {"signed_prekey": None},
    {"one_time_prekeys": [{"key_id": 0, "public_key": PHONE.body()["identity_key"]}]},
    {"one_time_prekeys": PHONE.body(1, [5, 5])["one_time_prekeys"]},
    {"one_time_prekeys": [{"key_id": 2**31, "public_key": PHONE.body()["signing_key"]}]},
    {"one_time_prekeys": {}},
    {"private_key": "A" * 43},
    DESK.body(),
]


@pytest.mark.parametrize("change", BAD)
async def test_keys_that_are_no_good_are_refused_and_nothing_is_stored(
    world: GatewayWorld, change: dict[str, Any]
) -> None:
    token = (await world.register("bob"))["access_token"]
    await world.call("PUT", "/v1/devices/phone", {"platform": "ios"}, token=token)
    body = PHONE.body() | change
    refused = await world.call("PUT", "/v1/devices/phone/keys", body, token=token)
    assert code_of(refused) == (400, "INVALID_ARGUMENT")
    assert await world.database["device_keys"].count_documents({}) == 0


@pytest.mark.parametrize(
    "call",
    [
        ("PUT", "/v1/devices/phone/keys"),
        ("GET", "/v1/devices/phone/keys/count"),
        ("DELETE", "/v1/devices/phone/keys"),
        ("GET", KEYS),
        ("GET", IDENTITIES),
    ],
)
async def test_without_a_token_nothing_is_answered(
    world: GatewayWorld, call: tuple[str, str]
) -> None:
    assert code_of(await world.call(*call)) == (401, "UNAUTHENTICATED")
