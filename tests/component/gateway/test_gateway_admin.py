"""Administrators: users, bans, and a log of every act."""

from __future__ import annotations

import time

import pytest

from tests.component.gateway.gateway_world import PASSWORD, GatewayWorld, code_of

ADMIN_CALLS = [
    ("GET", "/v1/admin/users", None),
    ("POST", "/v1/admin/users", {"user_id": "eve", "password": PASSWORD}),
    ("PUT", "/v1/admin/users/alice/scopes", {"scopes": ["admin"]}),
    ("GET", "/v1/admin/bans", None),
    ("PUT", "/v1/admin/bans/alice", {"reason": "spite"}),
    ("DELETE", "/v1/admin/bans/alice", None),
    ("GET", "/v1/admin/audit", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ADMIN_CALLS)
async def test_who_has_no_admin_scope_may_do_nothing_of_it(
    world: GatewayWorld, method: str, path: str, body: object
) -> None:
    alice = await world.register("alice")
    refused = await world.call(method, path, body, token=alice["access_token"])
    assert code_of(refused) == (403, "PERMISSION_DENIED")
    assert code_of(await world.call(method, path, body)) == (401, "UNAUTHENTICATED")
    assert await world.database["audit"].count_documents({}) == 0
    assert await world.database["users"].count_documents({}) == 1


async def test_a_banned_user_is_out_and_stays_out_until_the_ban_is_lifted(
    world: GatewayWorld,
) -> None:
    alice = await world.register("alice")
    admin = world.admin()
    banned = await world.call("PUT", "/v1/admin/bans/alice", {"reason": "spam"}, token=admin)
    assert banned.json()["until_ms"] is None
    assert (await world.refresh(alice["refresh_token"])).status_code == 401
    body = {"user_id": "alice", "password": PASSWORD}
    refused = await world.call("POST", "/v1/logins", body)
    assert code_of(refused) == (403, "BANNED")
    assert "spam" in refused.json()["error"]["detail"]
    (listed,) = (await world.call("GET", "/v1/admin/bans", token=admin)).json()
    assert (listed["user_id"], listed["reason"]) == ("alice", "spam")

    lifted = await world.call("DELETE", "/v1/admin/bans/alice", token=admin)
    assert lifted.status_code == 204
    assert (await world.call("POST", "/v1/logins", body)).status_code == 201
    assert (await world.call("GET", "/v1/admin/bans", token=admin)).json() == []
    again = await world.call("DELETE", "/v1/admin/bans/alice", token=admin)
    assert code_of(again) == (404, "NOT_FOUND")
    # What polls for changes must see the end of a ban too.
    stored = await world.database["bans"].find_one({"_id": "alice"})
    assert stored is not None
    assert stored["until_ms"] == 0
    assert stored["updated_ms"] >= listed["updated_ms"]


async def test_a_ban_ends_by_itself_at_its_time(world: GatewayWorld) -> None:
    await world.register("alice")
    past = {"reason": "spam", "until_ms": int(time.time() * 1000) - 1}
    refused = await world.call("PUT", "/v1/admin/bans/alice", past, token=world.admin())
    assert code_of(refused) == (400, "INVALID_ARGUMENT")
    soon = {"reason": "spam", "until_ms": int(time.time() * 1000) + 60_000}
    banned = await world.call("PUT", "/v1/admin/bans/alice", soon, token=world.admin())
    assert banned.json()["until_ms"] == soon["until_ms"]
    over = {"$set": {"until_ms": int(time.time() * 1000) - 1}}
    await world.database["bans"].update_one({"_id": "alice"}, over)
    await world.log_in("alice")


async def test_an_unknown_user_cannot_be_banned(world: GatewayWorld) -> None:
    refused = await world.call("PUT", "/v1/admin/bans/no", {"reason": "x"}, token=world.admin())
    assert code_of(refused) == (404, "NOT_FOUND")
    assert await world.database["bans"].count_documents({}) == 0


async def test_an_administrator_is_made_and_unmade_by_another(world: GatewayWorld) -> None:
    await world.register("alice")
    path = "/v1/admin/users/alice/scopes"
    await world.call("PUT", path, {"scopes": ["admin"]}, token=world.admin())
    alice = (await world.log_in("alice"))["access_token"]
    assert (await world.call("GET", "/v1/admin/users", token=alice)).status_code == 200
    await world.call("PUT", path, {"scopes": []}, token=world.admin())
    later = (await world.log_in("alice"))["access_token"]
    assert code_of(await world.call("GET", "/v1/admin/users", token=later)) == (
        403,
        "PERMISSION_DENIED",
    )


async def test_users_are_listed_page_by_page(world: GatewayWorld) -> None:
    admin = world.admin()
    for name in ("dora", "alice", "carol", "bob"):
        body = {"user_id": name, "password": PASSWORD}
        added = await world.call("POST", "/v1/admin/users", body, token=admin)
        assert added.status_code == 201
    seen: list[str] = []
    while True:
        after = seen[-1] if seen else ""
        path = f"/v1/admin/users?limit=3&after={after}"
        page = (await world.call("GET", path, token=admin)).json()
        if not page:
            break
        seen += [user["user_id"] for user in page]
    assert seen == ["alice", "bob", "carol", "dora"]


async def test_every_act_stands_in_the_log_with_who_and_what(world: GatewayWorld) -> None:
    admin = world.admin("root")
    body = {"user_id": "alice", "password": PASSWORD}
    await world.call("POST", "/v1/admin/users", body, token=admin)
    await world.call("PUT", "/v1/admin/users/alice/scopes", {"scopes": ["admin"]}, token=admin)
    await world.call("PUT", "/v1/admin/bans/alice", {"reason": "spam"}, token=admin)
    await world.call("DELETE", "/v1/admin/bans/alice", token=admin)
    entries = (await world.call("GET", "/v1/admin/audit", token=admin)).json()
    assert [entry["act"] for entry in reversed(entries)] == [
        "user.add",
        "user.scopes",
        "user.ban",
        "user.unban",
    ]
    assert {(entry["admin"], entry["target"]) for entry in entries} == {("root", "alice")}
    assert PASSWORD not in str(entries)
    path = f"/v1/admin/audit?before={entries[1]['entry_id']}&limit=1"
    (older,) = (await world.call("GET", path, token=admin)).json()
    assert older == entries[2]
