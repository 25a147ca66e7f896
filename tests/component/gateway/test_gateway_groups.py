"""Groups over HTTP, with a Logic on real stores."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.component.gateway.gateway_world import code_of
from tests.component.gateway.people_world import PeopleWorld

SOON_MS = int(time.time() * 1000) + 86_400_000


def roles(group: Any) -> dict[str, str]:
    return {one["user_id"]: one["role"] for one in group["members"]}


async def said(people: PeopleWorld, who: str, group: str) -> list[dict[str, Any]]:
    """The system messages of a group, as the user has them."""
    page = await people.done(who, "GET", f"/v1/conversations/{group}/messages")
    return [json.loads(one["text"]) for one in page["messages"] if one["kind"] == "system"]


async def test_a_group_is_founded_seen_and_listed(people: PeopleWorld) -> None:
    body = {"name": "birds", "member_ids": ["bob", "carol"]}
    founded = await people.done("alice", "POST", "/v1/groups", body)
    group = founded["conversation_id"]
    assert roles(founded) == {"alice": "owner", "bob": "member", "carol": "member"}
    assert (founded["name"], founded["joining"], founded["members_may_invite"]) == (
        "birds",
        "approval",
        True,
    )
    assert roles(await people.done("bob", "GET", f"/v1/groups/{group}")) == roles(founded)
    other = await people.group("bob")
    listed: list[str] = []
    after = ""
    while True:
        page = await people.done("bob", "GET", f"/v1/groups?limit=1&after={after}")
        listed += [one["conversation_id"] for one in page["groups"]]
        assert all(one["members"] == [] for one in page["groups"])
        after = page["next"]
        if not after:
            break
    assert listed == sorted([group, other])


async def test_the_same_key_makes_one_group_and_one_change(people: PeopleWorld) -> None:
    body = {"name": "birds", "member_ids": ["bob"]}
    once, again = [
        await people.done("alice", "POST", "/v1/groups", body, key="found-1") for _ in range(2)
    ]
    assert once["conversation_id"] == again["conversation_id"]
    group = once["conversation_id"]
    other = await people.done("alice", "POST", "/v1/groups", body)
    assert other["conversation_id"] != group
    for _ in range(2):
        await people.done(
            "alice", "POST", f"/v1/groups/{group}/members", {"user_ids": ["carol"]}, key="invite-1"
        )
        await people.done("bob", "POST", f"/v1/groups/{group}/leave", key="leave-1")
        made = await people.done("alice", "POST", f"/v1/groups/{group}/link", key="link-1")
    assert made["link"]
    heard = [one["type"] for one in await said(people, "alice", group)]
    assert heard == ["created", "invited", "left"]
    link = await people.done("alice", "POST", f"/v1/groups/{group}/link", key="link-2")
    assert link != made


async def test_members_come_rise_are_muted_and_go(people: PeopleWorld) -> None:
    group = await people.group("bob")
    path = f"/v1/groups/{group}"
    invited = await people.done("bob", "POST", f"{path}/members", {"user_ids": ["carol", "dora"]})
    assert set(roles(invited)) == {"alice", "bob", "carol", "dora"}
    risen = await people.done("alice", "PUT", f"{path}/members/bob/role", {"role": "admin"})
    assert roles(risen)["bob"] == "admin"
    muted = await people.done("bob", "PUT", f"{path}/members/carol/mute", {"until_ms": SOON_MS})
    assert {one["user_id"]: one["muted_until_ms"] for one in muted["members"]}["carol"] == SOON_MS
    for until_ms in (SOON_MS, 0):
        all_muted = await people.done("bob", "PUT", f"{path}/mute", {"until_ms": until_ms})
        assert all_muted["all_muted_until_ms"] == until_ms
    gone = await people.done("bob", "DELETE", f"{path}/members/carol")
    assert set(roles(gone)) == {"alice", "bob", "dora"}
    await people.done("dora", "POST", f"{path}/leave")
    assert code_of(await people.call("dora", "GET", path)) == (403, "NOT_A_MEMBER")
    assert code_of(await people.call("alice", "POST", f"{path}/leave")) == (409, "CONFLICT")
    handed = await people.done("alice", "PUT", f"{path}/owner", {"user_id": "bob"})
    assert roles(handed) == {"alice": "admin", "bob": "owner"}
    await people.done("bob", "DELETE", path)
    assert code_of(await people.call("bob", "GET", path)) == (404, "UNKNOWN_CONVERSATION")
    assert [one["type"] for one in await said(people, "alice", group)] == [
        "created",
        "invited",
        "role",
        "muted",
        "all_muted",
        "all_muted",
        "removed",
        "left",
        "transferred",
        "dissolved",
    ]


async def test_who_asks_to_join_waits_until_an_admin_answers(people: PeopleWorld) -> None:
    path = f"/v1/groups/{await people.group('bob')}"
    for user in ("carol", "dora"):
        await people.done(user, "POST", f"{path}/waiting")
    assert (await people.done("alice", "GET", path))["waiting_ids"] == ["carol", "dora"]
    assert (await people.done("bob", "GET", path))["waiting_ids"] == []
    assert code_of(await people.call("bob", "POST", f"{path}/waiting/carol/accept")) == (
        403,
        "PERMISSION_DENIED",
    )
    let_in = await people.done("alice", "POST", f"{path}/waiting/carol/accept")
    assert roles(let_in)["carol"] == "member"
    await people.done("dora", "DELETE", f"{path}/waiting/dora")
    assert (await people.done("alice", "GET", path))["waiting_ids"] == []
    await people.done("dora", "POST", f"{path}/waiting")
    await people.done("alice", "DELETE", f"{path}/waiting/dora")
    assert (await people.done("alice", "GET", path))["waiting_ids"] == []
    assert "dora" not in roles(await people.done("alice", "GET", path))


async def test_a_link_leads_in_or_to_the_queue_until_it_is_taken_back(people: PeopleWorld) -> None:
    group = await people.group("bob")
    path = f"/v1/groups/{group}"
    link = await people.done("alice", "POST", f"{path}/link")
    waits = await people.done("carol", "POST", "/v1/group-joins", link)
    assert waits == {"conversation_id": group, "is_member": False}
    await people.done("alice", "PATCH", path, {"joining": "link"})
    joined = await people.done("carol", "POST", "/v1/group-joins", link)
    assert joined == {"conversation_id": group, "is_member": True}
    await people.done("alice", "DELETE", f"{path}/link")
    assert code_of(await people.call("dora", "POST", "/v1/group-joins", link)) == (404, "NOT_FOUND")


async def test_a_description_changes_field_by_field(people: PeopleWorld) -> None:
    path = f"/v1/groups/{await people.group('bob')}"
    change: dict[str, Any]
    for change in (
        {"name": "birds", "announcement": "meet at 7"},
        {"joining": "closed"},
        {"members_may_invite": False},
        {"announcement": ""},
    ):
        before = await people.done("alice", "GET", path)
        after = await people.done("alice", "PATCH", path, change)
        ignored = {"version": after["version"]}
        assert after == before | change | ignored
    refused = await people.call("bob", "POST", f"{path}/members", {"user_ids": ["carol"]})
    assert code_of(refused) == (403, "PERMISSION_DENIED")
    assert code_of(await people.call("carol", "POST", f"{path}/waiting")) == (
        403,
        "PERMISSION_DENIED",
    )
