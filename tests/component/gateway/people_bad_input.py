"""What clients should not ask of the routes about people, and what they are told: a table."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from tests.component.gateway.people_world import ROOT


class Bad(NamedTuple):
    """GROUP is one of Alice (owner) and Bob, OTHERS one of Carol and Dora. Alice has asked Bob for
    friendship, Dora is her friend. `key` is an Idempotency-Key."""

    who: str
    method: str
    path: str
    body: Any
    status: int
    code: str
    key: str | None = None


_BAD: Final = (400, "INVALID_ARGUMENT")
_UNKNOWN: Final = (404, "NOT_FOUND")
_NO_GROUP: Final = (404, "UNKNOWN_CONVERSATION")
_NOT_IN: Final = (403, "NOT_A_MEMBER")
_MAY_NOT: Final = (403, "PERMISSION_DENIED")
_CONFLICT: Final = (409, "CONFLICT")

_LONG = "x" * 65
_LISTS = ["/v1/friends", "/v1/friend-requests", "/v1/blocks", "/v1/groups"]
_ADMIN_LISTS = ["/v1/admin/words", "/v1/admin/reports", "/v1/admin/flagged"]
_GROUP = "/v1/groups/GROUP"
_PRIVACY = "/v1/users/me/privacy"
_WORDS = "/v1/admin/words"
_SAY = "/v1/admin/broadcasts"

LISTS = [
    *(Bad("alice", "GET", f"{path}?limit={n}", None, *_BAD) for path in _LISTS for n in (0, 101)),
    *(Bad(ROOT, "GET", f"{path}?limit=x", None, *_BAD) for path in _ADMIN_LISTS),
    *(Bad("alice", "GET", f"{path}?after=a%20b", None, *_BAD) for path in _LISTS),
    Bad(ROOT, "GET", f"{_WORDS}?after={_LONG}", None, *_BAD),
    *(Bad(ROOT, "GET", f"{path}?before_ms=-1", None, *_BAD) for path in _ADMIN_LISTS[1:]),
    Bad("alice", "GET", "/v1/conversations/OTHERS/reads", None, *_NOT_IN),
    Bad("alice", "GET", "/v1/conversations/d:bob:carol/reads", None, *_NOT_IN),
    Bad("alice", "GET", "/v1/conversations/g:none/reads", None, *_NO_GROUP),
    Bad("alice", "GET", "/v1/conversations/nonsense/reads", None, *_BAD),
]

FRIENDS = [
    *(
        Bad("alice", "PUT", f"/v1/{kind}/{user}", None, *refusal)
        for kind in ("friend-requests", "blocks")
        for user, refusal in (
            ("nobody", _UNKNOWN),
            ("system", _UNKNOWN),
            ("alice", _BAD),
            (_LONG, _BAD),
            ("a%00b", _BAD),
        )
    ),
    *(
        Bad("alice", method, path.replace("USER", "a%20b"), None, *_BAD)
        for method, path in (
            ("DELETE", "/v1/friends/USER"),
            ("DELETE", "/v1/friend-requests/USER"),
            ("POST", "/v1/friend-requests/USER/accept"),
            ("DELETE", "/v1/blocks/USER"),
        )
    ),
    Bad("alice", "POST", "/v1/friend-requests/bob/accept", None, *_UNKNOWN),
    Bad("carol", "POST", "/v1/friend-requests/bob/accept", None, *_UNKNOWN),
    Bad("alice", "DELETE", "/v1/friends/bob", None, *_UNKNOWN),
    Bad("alice", "DELETE", "/v1/friend-requests/dora", None, *_CONFLICT),
    *(
        Bad("alice", "PUT", _PRIVACY, body, *_BAD)
        for body in (
            None,
            [],
            {"presence": "friends"},
            {"strangers_may_write": None},
            {"strangers_may_write": "false", "presence": "friends"},
            {"strangers_may_write": 0, "presence": "friends"},
            {"strangers_may_write": None, "presence": "enemies"},
            {"strangers_may_write": None, "presence": "friends", "more": 1},
        )
    ),
]

GROUPS = [
    *(
        Bad("alice", "POST", "/v1/groups", body, *_BAD)
        for body in (
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
        )
    ),
    Bad("alice", "POST", "/v1/groups", {"member_ids": ["bob", "nobody"]}, *_UNKNOWN),
    Bad("alice", "POST", "/v1/groups", {"member_ids": ["bob"]}, *_BAD, key="a b"),
    Bad("alice", "POST", "/v1/groups", {"member_ids": ["bob"]}, *_BAD, key=_LONG),
    Bad("alice", "GET", "/v1/groups/d:alice:bob", None, *_BAD),
    *(
        Bad("alice", "PATCH", _GROUP, body, *_BAD)
        for body in (
            {},
            {"name": None},
            {"name": "x" * 129},
            {"announcement": "x" * 4097},
            {"joining": "open"},
            {"members_may_invite": 1},
            {"owner": "bob"},
        )
    ),
    *(
        Bad("alice", "PUT", f"{_GROUP}{of}/mute", body, *_BAD)
        for of in ("", "/members/bob")
        for body in ({}, {"until_ms": -1}, {"until_ms": 2**53}, {"until_ms": "0"}, None)
    ),
    *(
        Bad("alice", "PUT", f"{_GROUP}/owner", body, *_BAD)
        for body in ({}, {"user_id": _LONG}, {"user_id": None})
    ),
    Bad("alice", "PUT", f"{_GROUP}/owner", {"user_id": "carol"}, *_NOT_IN),
    *(
        Bad("alice", "POST", f"{_GROUP}/members", body, *_BAD)
        for body in ({}, {"user_ids": []}, {"user_ids": [f"u{n}" for n in range(201)]})
    ),
    Bad("alice", "POST", f"{_GROUP}/members", {"user_ids": ["carol", "nobody"]}, *_UNKNOWN),
    *(
        Bad("alice", "PUT", f"{_GROUP}/members/bob/role", body, *_BAD)
        for body in ({}, {"role": "owner"}, {"role": 2})
    ),
    Bad("alice", "PUT", f"{_GROUP}/members/alice/role", {"role": "member"}, *_BAD),
    Bad("alice", "PUT", f"{_GROUP}/members/carol/role", {"role": "admin"}, *_NOT_IN),
    Bad("alice", "PUT", f"{_GROUP}/members/alice/mute", {"until_ms": 0}, *_MAY_NOT),
    Bad("alice", "DELETE", f"{_GROUP}/members/carol", None, *_NOT_IN),
    Bad("alice", "DELETE", f"{_GROUP}/members/{_LONG}", None, *_BAD),
    Bad("alice", "POST", f"{_GROUP}/leave", None, *_CONFLICT),
    Bad("alice", "POST", f"{_GROUP}/waiting/carol/accept", None, *_UNKNOWN),
    *(
        Bad("carol", "POST", "/v1/group-joins", body, *_BAD)
        for body in ({}, {"link": ""}, {"link": "a b"}, {"link": "x" * 129}, {"link": 7})
    ),
    *(
        Bad("carol", "POST", "/v1/group-joins", {"link": link}, *_UNKNOWN)
        for link in ("nonsense", ".", "none.secret", "GROUP.secret")
    ),
    # What a member may not, who is not in it may not, and what is of no group.
    *(
        Bad(who, method, path.replace("ID", group), body, *refusal)
        for who, group, refusal in (
            ("bob", "GROUP", _MAY_NOT),
            ("alice", "OTHERS", _NOT_IN),
            ("alice", "g:none", _NO_GROUP),
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
        for group, refusal in (("OTHERS", _NOT_IN), ("g:none", _NO_GROUP))
        for method, path, body in (
            ("GET", "", None),
            ("POST", "/members", {"user_ids": ["bob"]}),
            ("POST", "/leave", None),
        )
    ),
    Bad("alice", "POST", "/v1/groups/g:none/waiting", None, *_NO_GROUP),
]

_CROW = {"text": "crow", "action": "flag"}
_TO_BOB = {"broadcast_id": "b1", "user_ids": ["bob"]}
MODERATION = [
    *(
        Bad("alice", "POST", "/v1/reports", body, *_BAD)
        for body in (
            {},
            {"user_id": "bob"},
            {"user_id": "bob", "reason": ""},
            {"user_id": "bob", "reason": "x" * 501},
            {"user_id": "bob", "reason": "a\x00b"},
            {"user_id": "bob", "reason": "x", "message_id": 7},
            {"user_id": "bob", "reason": "x", "message_id": "9" * 19},
            {"user_id": "bob", "reason": "x", "message_id": "9" * 20},
            {"user_id": "alice", "reason": "x"},
        )
    ),
    Bad("alice", "POST", "/v1/reports", {"user_id": "nobody", "reason": "x"}, *_UNKNOWN),
    *(
        Bad(ROOT, method, _WORDS, body, *_BAD)
        for method in ("POST", "PUT")
        for body in (
            {},
            {"words": ["crow"]},
            {"words": [{"text": "crow"}]},
            {"words": [_CROW | {"action": "ban"}]},
            {"words": [_CROW | {"text": ""}]},
            {"words": [_CROW | {"text": " \t"}]},
            {"words": [_CROW | {"text": _LONG}]},
            {"words": [_CROW | {"text": 7}]},
        )
    ),
    Bad(ROOT, "POST", _WORDS, {"words": []}, *_BAD),
    Bad(ROOT, "PUT", _WORDS, {"words": [_CROW] * 10_000}, 413, "BODY_TOO_LARGE"),
    *(
        Bad(ROOT, "POST", f"{_WORDS}/remove", body, *_BAD)
        for body in ({}, {"texts": []}, {"texts": [_LONG]}, {"texts": ["a"] * 10_001})
    ),
    Bad(ROOT, "GET", "/v1/admin/risks/nobody", None, *_UNKNOWN),
    Bad(ROOT, "POST", "/v1/admin/risks/nobody", {"points": 1}, *_UNKNOWN),
    *(
        Bad(ROOT, "POST", "/v1/admin/risks/bob", body, *_BAD)
        for body in ({}, {"points": "1"}, {"points": 1e6}, {"points": -1e6}, {"points": None})
    ),
    *(
        Bad(ROOT, "POST", _SAY, body, *_BAD)
        for body in (
            {},
            _TO_BOB,
            _TO_BOB | {"text": "x", "content": {}},
            _TO_BOB | {"text": ""},
            _TO_BOB | {"text": "x" * 65_536},
            _TO_BOB | {"content": ["x"]},
            _TO_BOB | {"text": "x", "broadcast_id": "a b"},
            _TO_BOB | {"text": "x", "user_ids": []},
            _TO_BOB | {"text": "x", "user_ids": [f"u{n}" for n in range(1001)]},
        )
    ),
    Bad(ROOT, "POST", _SAY, _TO_BOB | {"text": "x", "user_ids": ["bob", "nobody"]}, *_UNKNOWN),
]

ALL = [*LISTS, *FRIENDS, *GROUPS, *MODERATION]
