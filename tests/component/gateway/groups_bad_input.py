"""The same for groups: what is malformed, and what this or that caller may not."""

from __future__ import annotations

from typing import Final

from tests.component.gateway.people_bad_input import (
    CONFLICT,
    LONG,
    MALFORMED,
    NO_GROUP,
    NOT_IN,
    UNKNOWN,
    Bad,
    each,
)

MAY_NOT: Final = (403, "PERMISSION_DENIED")
_GROUP = "/v1/groups/GROUP"

GROUPS = [
    *each(
        "alice",
        "POST",
        "/v1/groups",
        {},
        {"member_ids": []},
        {"member_ids": "bob"},
        {"member_ids": ["a b"]},
        {"member_ids": [7]},
        {"member_ids": ["alice"]},
        {"member_ids": ["bob", "bob"]},
        {"member_ids": [f"u{n}" for n in range(1000)]},
        {"member_ids": ["bob"], "name": "x" * 129},
        {"member_ids": ["bob"], "name": None},
        {"member_ids": ["bob"], "nmae": "x"},
    ),
    Bad("alice", "POST", "/v1/groups", {"member_ids": ["bob", "nobody"]}, *UNKNOWN),
    Bad("alice", "POST", "/v1/groups", {"member_ids": ["bob"]}, *MALFORMED, key="a b"),
    Bad("alice", "POST", "/v1/groups", {"member_ids": ["bob"]}, *MALFORMED, key=LONG),
    Bad("alice", "GET", "/v1/groups/d:alice:bob", None, *MALFORMED),
    *each(
        "alice",
        "PATCH",
        _GROUP,
        {},
        {"name": None},
        {"name": "x" * 129},
        {"announcement": "x" * 4097},
        {"joining": "open"},
        {"members_may_invite": 1},
        {"owner": "bob"},
    ),
    *(
        bad
        for of in ("", "/members/bob")
        for bad in each(
            "alice",
            "PUT",
            f"{_GROUP}{of}/mute",
            {},
            {"until_ms": -1},
            {"until_ms": 2**53},
            {"until_ms": "0"},
            None,
        )
    ),
    *each("alice", "PUT", f"{_GROUP}/owner", {}, {"user_id": LONG}, {"user_id": None}),
    Bad("alice", "PUT", f"{_GROUP}/owner", {"user_id": "carol"}, *NOT_IN),
    *each(
        "alice",
        "POST",
        f"{_GROUP}/members",
        {},
        {"user_ids": []},
        {"user_ids": [f"u{n}" for n in range(201)]},
    ),
    Bad("alice", "POST", f"{_GROUP}/members", {"user_ids": ["carol", "nobody"]}, *UNKNOWN),
    *each("alice", "PUT", f"{_GROUP}/members/bob/role", {}, {"role": "owner"}, {"role": 2}),
    Bad("alice", "PUT", f"{_GROUP}/members/alice/role", {"role": "member"}, *MALFORMED),
    Bad("alice", "PUT", f"{_GROUP}/members/carol/role", {"role": "admin"}, *NOT_IN),
    Bad("alice", "PUT", f"{_GROUP}/members/alice/mute", {"until_ms": 0}, *MAY_NOT),
    Bad("alice", "DELETE", f"{_GROUP}/members/carol", None, *NOT_IN),
    Bad("alice", "DELETE", f"{_GROUP}/members/{LONG}", None, *MALFORMED),
    Bad("alice", "POST", f"{_GROUP}/leave", None, *CONFLICT),
    Bad("alice", "POST", f"{_GROUP}/waiting/carol/accept", None, *UNKNOWN),
    *each(
        "carol",
        "POST",
        "/v1/group-joins",
        {},
        {"link": ""},
        {"link": "a b"},
        {"link": "x" * 129},
        {"link": 7},
    ),
    *(
        Bad("carol", "POST", "/v1/group-joins", {"link": link}, *UNKNOWN)
        for link in ("nonsense", ".", "none.secret", "GROUP.secret")
    ),
    # What a member may not, who is not in it may not, and what is of no group.
    *(
        Bad(who, method, path.replace("ID", group), body, *refusal)
        for who, group, refusal in (
            ("bob", "GROUP", MAY_NOT),
            ("alice", "OTHERS", NOT_IN),
            ("alice", "g:none", NO_GROUP),
        )
        for method, path, body in (
            ("PATCH", "/v1/groups/ID", {"name": "mine"}),
            ("DELETE", "/v1/groups/ID", None),
            ("PUT", "/v1/groups/ID/mute", {"until_ms": 0}),
            ("PUT", "/v1/groups/ID/owner", {"user_id": "bob"}),
            ("POST", "/v1/groups/ID/link", None),
            ("DELETE", "/v1/groups/ID/link", None),
            ("DELETE", "/v1/groups/ID/members/alice", None),
            ("PUT", "/v1/groups/ID/members/bob/role", {"role": "admin"}),
            ("PUT", "/v1/groups/ID/members/alice/mute", {"until_ms": 0}),
            ("POST", "/v1/groups/ID/waiting/carol/accept", None),
            ("DELETE", "/v1/groups/ID/waiting/carol", None),
        )
    ),
    *(
        Bad("alice", method, f"/v1/groups/{group}{path}", body, *refusal)
        for group, refusal in (("OTHERS", NOT_IN), ("g:none", NO_GROUP))
        for method, path, body in (
            ("GET", "", None),
            ("POST", "/members", {"user_ids": ["bob"]}),
            ("POST", "/leave", None),
        )
    ),
    Bad("alice", "POST", "/v1/groups/g:none/waiting", None, *NO_GROUP),
]
