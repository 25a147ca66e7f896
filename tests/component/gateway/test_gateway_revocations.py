"""Whatever ends a login ends its tokens, on every gateway, and is written where pods look."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.component.gateway.gateway_world import PASSWORD, GatewayWorld, code_of, gateway
from tests.waiting import until
from whimbrel.core.revocations import Revocation
from whimbrel.runtime.revocation_store import MongoRevocationStore

pytestmark = pytest.mark.timeout(60)
REVOKED = (401, "UNAUTHENTICATED")


async def kept(world: GatewayWorld) -> list[Revocation]:
    return (await MongoRevocationStore(world.database).since(0)).revocations


async def answers(world: GatewayWorld, token: str) -> bool:
    return (await world.call("GET", "/v1/users/me", token=token)).status_code == 200


async def test_a_logout_ends_the_access_token_at_once(tmp_path: Path, mongo_url: str) -> None:
    async with gateway(tmp_path, mongo_url) as world:
        one = await world.register("alice")
        other = await world.log_in("alice")
        ended = await world.call("DELETE", "/v1/logins/current", token=one["access_token"])
        assert ended.status_code == 204
        again = await world.call("GET", "/v1/users/me", token=one["access_token"])
        assert code_of(again) == REVOKED
        assert await answers(world, other["access_token"])
        (revocation,) = await kept(world)
        assert (revocation.user_id, revocation.login_id) == ("alice", one["login_id"])
        assert 900 < revocation.until - time.time() < 1000, "as long as its tokens hold"


async def test_logging_out_everywhere_ends_all_and_a_new_login_works(
    tmp_path: Path, mongo_url: str
) -> None:
    async with gateway(tmp_path, mongo_url) as world:
        one, two = await world.register("alice"), await world.log_in("alice")
        await world.call("DELETE", "/v1/logins", token=one["access_token"])
        for tokens in (one, two):
            assert not await answers(world, tokens["access_token"])
        assert await answers(world, (await world.log_in("alice"))["access_token"])


async def test_a_new_password_leaves_the_one_who_changed_it(tmp_path: Path, mongo_url: str) -> None:
    async with gateway(tmp_path, mongo_url) as world:
        one, two = await world.register("alice"), await world.log_in("alice")
        body = {"old_password": PASSWORD, "new_password": "another horse"}
        await world.call("PUT", "/v1/users/me/password", body, token=one["access_token"])
        assert await answers(world, one["access_token"])
        assert not await answers(world, two["access_token"])
        refreshed = (await world.refresh(one["refresh_token"])).json()
        assert await answers(world, refreshed["access_token"])


async def test_a_device_that_is_forgotten_takes_its_logins_along(
    tmp_path: Path, mongo_url: str
) -> None:
    async with gateway(tmp_path, mongo_url) as world:
        desk = await world.register("alice", device_id="desk")
        phone = await world.log_in("alice", device_id="phone")
        gone = await world.call("DELETE", "/v1/devices/phone", token=desk["access_token"])
        assert gone.status_code == 204, "although it was never told how it is woken"
        assert not await answers(world, phone["access_token"])
        assert (await world.refresh(phone["refresh_token"])).status_code == 401
        assert await answers(world, desk["access_token"])
        keys = {one.key for one in await kept(world)}
        assert keys == {"device:alice/phone", f"login:{phone['login_id']}"}
        again = await world.call("DELETE", "/v1/devices/phone", token=desk["access_token"])
        assert code_of(again) == (404, "NOT_FOUND")


async def test_a_stolen_refresh_token_ends_the_access_token_of_its_login(
    tmp_path: Path, mongo_url: str
) -> None:
    async with gateway(tmp_path, mongo_url) as world:
        tokens = await world.register("alice")
        renewed = (await world.refresh(tokens["refresh_token"])).json()
        assert await answers(world, renewed["access_token"])
        await world.refresh(tokens["refresh_token"])
        assert not await answers(world, renewed["access_token"])


async def test_an_administrator_ends_all_by_a_ban_or_without_one(
    tmp_path: Path, mongo_url: str
) -> None:
    async with gateway(tmp_path, mongo_url) as world:
        alice, mallory = await world.register("alice"), await world.register("mallory")
        admin = world.admin()
        ended = await world.call("DELETE", "/v1/admin/users/alice/logins", token=admin)
        assert ended.status_code == 204
        assert not await answers(world, alice["access_token"])
        assert await answers(world, (await world.log_in("alice"))["access_token"])
        body = {"reason": "spam"}
        await world.call("PUT", "/v1/admin/bans/mallory", body, token=admin)
        assert not await answers(world, mallory["access_token"])
        nobody = await world.call("DELETE", "/v1/admin/users/nobody/logins", token=admin)
        assert code_of(nobody) == (404, "NOT_FOUND")
        refused = await world.call(
            "DELETE",
            "/v1/admin/users/bob/logins",
            token=(await world.log_in("alice"))["access_token"],
        )
        assert code_of(refused) == (403, "PERMISSION_DENIED")


async def test_another_gateway_hears_of_it_and_so_does_one_that_starts_later(
    tmp_path: Path, mongo_url: str
) -> None:
    name = f"gateways-{time.time_ns()}"
    async with gateway(tmp_path, mongo_url, database_name=name) as one:
        tokens = await one.register("alice")
        async with gateway(tmp_path, mongo_url, database_name=name) as other:
            assert await answers(other, tokens["access_token"])
            await one.call("DELETE", "/v1/logins/current", token=tokens["access_token"])

            async def is_refused() -> bool:
                return not await answers(other, tokens["access_token"])

            await until(is_refused, seconds=2.0)
        async with gateway(tmp_path, mongo_url, database_name=name) as later:

            async def is_refused_there() -> bool:
                return not await answers(later, tokens["access_token"])

            await until(is_refused_there, seconds=2.0)
