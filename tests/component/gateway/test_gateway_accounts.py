"""Accounts over HTTP: register, profile, search, devices."""

from __future__ import annotations

import asyncio

from services.logic.usecases.say import SYSTEM_USER
from tests.component.gateway.gateway_world import PASSWORD, GatewayWorld, code_of


async def test_a_person_registers_and_is_known_by_the_token(world: GatewayWorld) -> None:
    tokens = await world.register("alice", name="Alice Liddell")
    own = (await world.call("GET", "/v1/users/me", token=tokens["access_token"])).json()
    assert own["created_ms"] > 0
    assert {k: own[k] for k in ("user_id", "name", "avatar_media_id", "settings")} == {
        "user_id": "alice",
        "name": "Alice Liddell",
        "avatar_media_id": "",
        "settings": {},
    }
    stored = await world.database["users"].find_one({"_id": "alice"})
    assert stored is not None
    assert PASSWORD not in str(stored)
    assert stored["password_hash"].startswith("$argon2id$")


async def test_of_two_who_want_one_id_exactly_one_gets_it(world: GatewayWorld) -> None:
    wishes = [{"user_id": "carol", "password": f"password {n}"} for n in range(6)]
    answers = await asyncio.gather(*(world.call("POST", "/v1/users", wish) for wish in wishes))
    (won,) = [n for n, answer in enumerate(answers) if answer.status_code == 201]
    lost = [answer for n, answer in enumerate(answers) if n != won]
    assert {code_of(answer) for answer in lost} == {(409, "ALREADY_EXISTS")}
    login = await world.call("POST", "/v1/logins", wishes[won])
    assert login.status_code == 201
    assert code_of(await world.call("POST", "/v1/logins", wishes[won - 1])) == (
        401,
        "UNAUTHENTICATED",
    )


async def test_nobody_takes_the_name_of_the_system(world: GatewayWorld) -> None:
    wish = {"user_id": SYSTEM_USER, "password": PASSWORD}
    assert code_of(await world.call("POST", "/v1/users", wish)) == (409, "ALREADY_EXISTS")
    added = await world.call("POST", "/v1/admin/users", wish, token=world.admin())
    assert code_of(added) == (409, "ALREADY_EXISTS")
    assert code_of(await world.call("POST", "/v1/logins", wish)) == (401, "UNAUTHENTICATED")
    assert await world.database["users"].count_documents({}) == 0


async def test_a_profile_changes_field_by_field_and_others_see_its_public_part(
    world: GatewayWorld,
) -> None:
    alice = (await world.register("alice"))["access_token"]
    bob = (await world.register("bob"))["access_token"]
    change = {"name": "Alice", "settings": {"theme": "dark"}}
    assert (await world.call("PATCH", "/v1/users/me", change, token=alice)).status_code == 200
    changed = await world.call("PATCH", "/v1/users/me", {"avatar_media_id": "m1"}, token=alice)
    assert (changed.json()["name"], changed.json()["settings"]) == ("Alice", {"theme": "dark"})
    seen = await world.call("GET", "/v1/users/alice", token=bob)
    assert seen.json() == {"user_id": "alice", "name": "Alice", "avatar_media_id": "m1"}
    assert code_of(await world.call("GET", "/v1/users/nobody", token=bob)) == (404, "NOT_FOUND")
    assert code_of(await world.call("PATCH", "/v1/users/me", {}, token=bob)) == (
        400,
        "INVALID_ARGUMENT",
    )


async def test_a_search_finds_ids_and_words_of_names_in_any_case_and_is_bounded(
    world: GatewayWorld,
) -> None:
    token = (await world.register("alice", name="Alice Liddell"))["access_token"]
    await world.register("Albert")
    await world.register("zoe", name="Élodie ALvarez")

    async def found(query: str) -> list[str]:
        answer = await world.call("GET", f"/v1/users?{query}", token=token)
        assert answer.status_code == 200, answer.text
        return sorted(one["user_id"] for one in answer.json())

    assert await found("prefix=al") == ["Albert", "alice", "zoe"]
    assert await found("prefix=LIDD") == ["alice"]
    assert await found("prefix=élo") == ["zoe"]
    assert await found("prefix=.*") == []
    assert len(await found("prefix=al&limit=1")) == 1
    for query in ("prefix=a", "", "prefix=al&limit=51", "prefix=al&limit=0", "prefix=" + 65 * "x"):
        refused = await world.call("GET", f"/v1/users?{query}", token=token)
        assert code_of(refused) == (400, "INVALID_ARGUMENT")


async def test_a_push_token_belongs_to_the_device_that_had_it_last(world: GatewayWorld) -> None:
    alice = (await world.register("alice"))["access_token"]
    bob = (await world.register("bob"))["access_token"]
    phone = {"platform": "ios", "push": {"provider": "apns", "token": "t1"}}
    for token in (alice, bob):
        put = await world.call("PUT", "/v1/devices/phone", phone, token=token)
        assert put.status_code == 200
        assert "t1" not in put.text
    (seen,) = (await world.call("GET", "/v1/devices", token=alice)).json()
    assert (seen["device_id"], seen["platform"], seen["push_provider"]) == ("phone", "ios", "")
    (seen,) = (await world.call("GET", "/v1/devices", token=bob)).json()
    assert seen["push_provider"] == "apns"


async def test_a_device_of_another_user_cannot_be_removed(world: GatewayWorld) -> None:
    alice = (await world.register("alice"))["access_token"]
    bob = (await world.register("bob"))["access_token"]
    await world.call("PUT", "/v1/devices/tablet", {"platform": "ios"}, token=alice)
    refused = await world.call("DELETE", "/v1/devices/tablet", token=bob)
    assert code_of(refused) == (404, "NOT_FOUND")
    assert len((await world.call("GET", "/v1/devices", token=alice)).json()) == 1


async def test_a_removed_device_is_logged_out(world: GatewayWorld) -> None:
    alice = await world.register("alice", device_id="phone")
    await world.call("PUT", "/v1/devices/phone", {"platform": "ios"}, token=alice["access_token"])
    removed = await world.call("DELETE", "/v1/devices/phone", token=alice["access_token"])
    assert removed.status_code == 204
    assert code_of(await world.refresh(alice["refresh_token"])) == (401, "UNAUTHENTICATED")


async def test_one_device_too_many_is_refused_and_a_known_one_still_changes(
    world: GatewayWorld,
) -> None:
    token = (await world.register("alice"))["access_token"]
    body = {"platform": "web"}
    for number in range(64):
        put = await world.call("PUT", f"/v1/devices/d{number}", body, token=token)
        assert put.status_code == 200
    refused = await world.call("PUT", "/v1/devices/one-more", body, token=token)
    assert code_of(refused) == (409, "CONFLICT")
    assert (await world.call("PUT", "/v1/devices/d7", body, token=token)).status_code == 200
