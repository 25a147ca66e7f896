"""Logins: refresh tokens serve once, a replay ends the login, limits hold."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from services.gateway.settings import LimitSettings, TokenSettings
from tests.component.gateway.gateway_world import (
    CHEAP,
    PASSWORD,
    SECRET,
    GatewayWorld,
    code_of,
    gateway,
)
from whimbrel.runtime.tokens import TokenVerifier, sign_token

REFUSED = (401, "UNAUTHENTICATED")


async def test_a_login_s_access_token_is_one_that_access_takes(world: GatewayWorld) -> None:
    await world.register("alice")
    tokens = await world.log_in("alice")
    claims = TokenVerifier(SECRET).verify(tokens["access_token"])
    assert (claims.user_id, claims.scopes, claims.login_id) == (
        "alice",
        frozenset(),
        tokens["login_id"],
    )
    assert 0 < claims.expires_at - time.time() <= tokens["expires_in"]


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
    world: GatewayWorld,
) -> None:
    await world.register("alice")
    answers = [
        await world.call("POST", "/v1/logins", {"user_id": user, "password": "not the one"})
        for user in ("alice", "nobody")
    ]
    assert {code_of(answer) for answer in answers} == {REFUSED}
    assert answers[0].json() == answers[1].json()


async def test_a_refresh_token_serves_once_and_a_replay_ends_the_login(
    world: GatewayWorld,
) -> None:
    first = await world.register("alice")
    second = (await world.refresh(first["refresh_token"])).json()
    third = (await world.refresh(second["refresh_token"])).json()
    assert third["login_id"] == first["login_id"]
    assert code_of(await world.refresh(first["refresh_token"])) == REFUSED
    # Whoever holds the newest one may be the thief: it is worth nothing any more.
    assert code_of(await world.refresh(third["refresh_token"])) == REFUSED
    assert await world.database["refresh_tokens"].count_documents({"user": "alice"}) == 0


async def test_of_a_refresh_token_used_at_once_by_many_at_most_one_is_served(
    world: GatewayWorld,
) -> None:
    token = (await world.register("alice"))["refresh_token"]
    answers = await asyncio.gather(*(world.refresh(token) for _ in range(8)))
    served = [answer for answer in answers if answer.status_code == 201]
    assert len(served) == 1
    assert {code_of(answer) for answer in answers if answer not in served} == {REFUSED}
    assert code_of(await world.refresh(served[0].json()["refresh_token"])) == REFUSED


async def test_a_made_up_refresh_token_ends_nothing(world: GatewayWorld) -> None:
    tokens = await world.register("alice")
    login_id, random, tag = tokens["refresh_token"].split(".")
    for forged in (f"{login_id}.{random[::-1]}.{tag}", f"{login_id}.{random}.{tag[::-1]}", "x"):
        assert code_of(await world.refresh(forged)) == REFUSED
    assert (await world.refresh(tokens["refresh_token"])).status_code == 201


async def test_neither_kind_of_token_passes_for_the_other(world: GatewayWorld) -> None:
    tokens = await world.register("alice")
    wrong = await world.call("GET", "/v1/users/me", token=tokens["refresh_token"])
    assert code_of(wrong) == REFUSED
    assert code_of(await world.refresh(tokens["access_token"][:256])) == REFUSED


async def test_tokens_are_hashed_at_rest(world: GatewayWorld) -> None:
    tokens = await world.register("alice")
    stored = await world.database["refresh_tokens"].find_one({"user": "alice"})
    assert tokens["refresh_token"].split(".")[1] not in str(stored)


async def test_logging_out_ends_this_login_and_wakes_its_device_no_more(
    world: GatewayWorld,
) -> None:
    phone = await world.register("alice", device_id="phone")
    desk = await world.log_in("alice", device_id="desk")
    push = {"platform": "ios", "push": {"provider": "fcm", "token": "t"}}
    await world.call("PUT", "/v1/devices/phone", push, token=phone["access_token"])
    listed = (await world.call("GET", "/v1/logins", token=phone["access_token"])).json()
    assert {(one["device_id"], one["is_current"]) for one in listed} == {
        ("phone", True),
        ("desk", False),
    }
    out = await world.call("DELETE", "/v1/logins/current", token=phone["access_token"])
    assert out.status_code == 204
    assert code_of(await world.refresh(phone["refresh_token"])) == REFUSED
    (device,) = (await world.call("GET", "/v1/devices", token=desk["access_token"])).json()
    assert device["push_provider"] == ""
    assert (await world.refresh(desk["refresh_token"])).status_code == 201
    again = await world.call("DELETE", "/v1/logins/current", token=phone["access_token"])
    assert code_of(again) == REFUSED


async def test_logging_out_everywhere_ends_all_of_one_user_and_nobody_else_s(
    world: GatewayWorld,
) -> None:
    mine = [await world.register("alice"), await world.log_in("alice")]
    other = await world.register("bob")
    out = await world.call("DELETE", "/v1/logins", token=mine[0]["access_token"])
    assert out.status_code == 204
    for tokens in mine:
        assert code_of(await world.refresh(tokens["refresh_token"])) == REFUSED
    assert (await world.refresh(other["refresh_token"])).status_code == 201


async def test_a_new_login_of_a_device_takes_the_place_of_the_one_before(
    world: GatewayWorld,
) -> None:
    before = await world.register("alice", device_id="phone")
    now = await world.log_in("alice", device_id="phone")
    assert code_of(await world.refresh(before["refresh_token"])) == REFUSED
    assert (await world.refresh(now["refresh_token"])).status_code == 201


async def test_a_changed_password_ends_the_other_logins(world: GatewayWorld) -> None:
    kept, other = await world.register("alice"), await world.log_in("alice")
    change = {"old_password": "wrong one", "new_password": "battery staple"}
    path = "/v1/users/me/password"
    assert code_of(await world.call("PUT", path, change, token=kept["access_token"])) == REFUSED
    change["old_password"] = PASSWORD
    changed = await world.call("PUT", path, change, token=kept["access_token"])
    assert changed.status_code == 204
    assert code_of(await world.refresh(other["refresh_token"])) == REFUSED
    assert (await world.refresh(kept["refresh_token"])).status_code == 201
    old = await world.call("POST", "/v1/logins", {"user_id": "alice", "password": PASSWORD})
    assert code_of(old) == REFUSED
    body = {"user_id": "alice", "password": "battery staple"}
    assert (await world.call("POST", "/v1/logins", body)).status_code == 201


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (None, "UNAUTHENTICATED"),
        ("x.y.z", "UNAUTHENTICATED"),
        (sign_token(b"another secret of 32 bytes......", "alice", 60, now=time.time()), None),
        (sign_token(SECRET, "alice", 60, now=time.time() - 3600), "TOKEN_EXPIRED"),
    ],
)
async def test_without_a_good_access_token_nothing_is_told(
    world: GatewayWorld, token: str | None, code: str | None
) -> None:
    for path in ("/v1/users/me", "/v1/users/alice", "/v1/logins", "/v1/devices", "/v1/admin/bans"):
        answer = await world.call("GET", path, token=token)
        assert code_of(answer) == (401, code or "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_login_that_was_not_refreshed_in_time_has_ended(
    tmp_path: Path, mongo_url: str
) -> None:
    brief = TokenSettings(refresh_seconds=0.001)
    async with gateway(tmp_path, mongo_url, tokens=brief) as world:
        tokens = await world.register("alice")
        assert code_of(await world.refresh(tokens["refresh_token"])) == REFUSED


async def test_guessing_is_slowed_down_for_one_user_and_one_address(
    tmp_path: Path, mongo_url: str
) -> None:
    limits = LimitSettings(logins_per_minute=8, attempts_per_minute=3, registrations_per_hour=2)
    async with gateway(tmp_path, mongo_url, limits=limits, passwords=CHEAP) as world:
        await world.register("alice")
        await world.register("bob")
        third = await world.call("POST", "/v1/users", {"user_id": "eve", "password": PASSWORD})
        assert code_of(third) == (429, "OVERLOADED")
        assert third.json()["error"]["retry_after_ms"] > 0
        assert int(third.headers["retry-after"]) > 0

        async def guesses(user_id: str, count: int) -> list[int]:
            body = {"user_id": user_id, "password": "a guess"}
            answers = [await world.call("POST", "/v1/logins", body) for _ in range(count)]
            return [answer.status_code for answer in answers]

        assert await guesses("alice", 5) == [401, 401, 401, 429, 429]
        assert await guesses("bob", 5) == [401, 401, 401, 429, 429]
        # Bob's password would have been right: the address has to wait.
        right = await world.call("POST", "/v1/logins", {"user_id": "eve", "password": PASSWORD})
        assert code_of(right) == (429, "OVERLOADED")
