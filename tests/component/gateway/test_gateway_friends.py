"""Friends, blocks and privacy over HTTP, with a Logic on real stores."""

from __future__ import annotations

from typing import Any

from tests.component.gateway.gateway_world import code_of
from tests.component.gateway.people_world import PeopleWorld


async def names(people: PeopleWorld, who: str, path: str) -> list[str]:
    """The users of a list, page by page of one."""
    found: list[str] = []
    after = ""
    while True:
        page = await people.done(who, "GET", f"{path}?limit=1&after={after}")
        found += [one["user_id"] for one in page["users"]]
        after = page["next"]
        if not after:
            return found


async def test_who_asks_and_is_accepted_is_a_friend_of_both(people: PeopleWorld) -> None:
    asked = await people.done("alice", "PUT", "/v1/friend-requests/bob")
    assert (asked["user_id"], asked["friendship"], asked["asked_by"]) == ("bob", "asked", "alice")
    (seen,) = (await people.done("bob", "GET", "/v1/friend-requests"))["users"]
    assert (seen["user_id"], seen["asked_by"]) == ("alice", "alice")
    accepted = await people.done("bob", "POST", "/v1/friend-requests/alice/accept")
    assert (accepted["friendship"], accepted["asked_by"]) == ("friends", None)
    assert accepted["since_ms"] >= asked["since_ms"] > 0
    for one, other in (("alice", "bob"), ("bob", "alice")):
        assert await names(people, one, "/v1/friends") == [other]
        assert await names(people, one, "/v1/friend-requests") == []
    await people.done("alice", "DELETE", "/v1/friends/bob")
    assert await names(people, "bob", "/v1/friends") == []


async def test_two_who_ask_each_other_are_friends(people: PeopleWorld) -> None:
    await people.done("alice", "PUT", "/v1/friend-requests/bob")
    assert (await people.done("bob", "PUT", "/v1/friend-requests/alice"))["friendship"] == "friends"


async def test_a_request_is_declined_or_taken_back(people: PeopleWorld) -> None:
    for who, path in (("bob", "/v1/friend-requests/alice"), ("alice", "/v1/friend-requests/bob")):
        await people.done("alice", "PUT", "/v1/friend-requests/bob")
        await people.done(who, "DELETE", path)
        await people.done(who, "DELETE", path)
        assert await names(people, "bob", "/v1/friend-requests") == []


async def test_lists_have_everybody_once_over_all_pages(people: PeopleWorld) -> None:
    for other in ("bob", "carol", "dora"):
        await people.done("alice", "PUT", f"/v1/friend-requests/{other}")
    assert await names(people, "alice", "/v1/friend-requests") == ["bob", "carol", "dora"]
    for other in ("bob", "carol"):
        await people.done(other, "PUT", "/v1/friend-requests/alice")
    assert await names(people, "alice", "/v1/friends") == ["bob", "carol"]


async def test_a_block_ends_the_friendship_and_is_the_blockers_own(people: PeopleWorld) -> None:
    await people.done("alice", "PUT", "/v1/friend-requests/bob")
    await people.done("bob", "PUT", "/v1/friend-requests/alice")
    blocked = await people.done("alice", "PUT", "/v1/blocks/bob")
    assert (blocked["friendship"], blocked["is_blocked"]) == ("none", True)
    assert await names(people, "alice", "/v1/blocks") == ["bob"]
    assert await names(people, "bob", "/v1/blocks") == []
    await people.done("bob", "DELETE", "/v1/blocks/alice")
    refused = await people.call("bob", "PUT", "/v1/friend-requests/alice")
    assert code_of(refused) == (403, "BLOCKED")
    await people.done("alice", "DELETE", "/v1/blocks/bob")
    assert await names(people, "alice", "/v1/blocks") == []
    assert (await people.done("bob", "PUT", "/v1/friend-requests/alice"))["friendship"] == "asked"


async def test_privacy_is_what_was_said_last_as_a_whole(people: PeopleWorld) -> None:
    path = "/v1/users/me/privacy"
    as_deployed: dict[str, Any] = {"strangers_may_write": None, "presence": "friends"}
    assert await people.done("alice", "GET", path) == as_deployed
    for strangers, presence in ((False, "nobody"), (True, "everybody"), (None, "friends")):
        wanted = {"strangers_may_write": strangers, "presence": presence}
        assert await people.done("alice", "PUT", path, wanted) == wanted
        assert await people.done("alice", "GET", path) == wanted
        assert await people.done("bob", "GET", path) == as_deployed


async def test_nobody_invites_over_a_block_or_who_takes_friends_alone(people: PeopleWorld) -> None:
    group = await people.group("dora")
    await people.done("bob", "PUT", "/v1/blocks/alice")
    closed = {"strangers_may_write": False, "presence": "friends"}
    await people.done("carol", "PUT", "/v1/users/me/privacy", closed)
    for user, code in (("bob", "BLOCKED"), ("carol", "NOT_FRIENDS")):
        path, body = f"/v1/groups/{group}/members", {"user_ids": [user]}
        assert code_of(await people.call("alice", "POST", path, body)) == (403, code)
