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


MALFORMED: Final = (400, "INVALID_ARGUMENT")
UNKNOWN: Final = (404, "NOT_FOUND")
NO_GROUP: Final = (404, "UNKNOWN_CONVERSATION")
NOT_IN: Final = (403, "NOT_A_MEMBER")
CONFLICT: Final = (409, "CONFLICT")

LONG = "x" * 65


def each(who: str, method: str, path: str, *bodies: Any) -> list[Bad]:
    """Bodies that break a rule of form."""
    return [Bad(who, method, path, body, *MALFORMED) for body in bodies]


_LISTS = ["/v1/friends", "/v1/friend-requests", "/v1/blocks", "/v1/groups"]
_ADMIN_LISTS = ["/v1/admin/words", "/v1/admin/reports", "/v1/admin/flagged"]
_PRIVACY = "/v1/users/me/privacy"
_WORDS = "/v1/admin/words"
_SAY = "/v1/admin/broadcasts"

LISTS = [
    *(
        Bad("alice", "GET", f"{path}?limit={n}", None, *MALFORMED)
        for path in _LISTS
        for n in (0, 101)
    ),
    *(Bad(ROOT, "GET", f"{path}?limit=x", None, *MALFORMED) for path in _ADMIN_LISTS),
    *(Bad("alice", "GET", f"{path}?after=a%20b", None, *MALFORMED) for path in _LISTS),
    Bad(ROOT, "GET", f"{_WORDS}?after={LONG}", None, *MALFORMED),
    *(Bad(ROOT, "GET", f"{path}?before_ms=-1", None, *MALFORMED) for path in _ADMIN_LISTS[1:]),
    Bad("alice", "GET", "/v1/conversations/OTHERS/reads", None, *NOT_IN),
    Bad("alice", "GET", "/v1/conversations/d:bob:carol/reads", None, *NOT_IN),
    Bad("alice", "GET", "/v1/conversations/g:none/reads", None, *NO_GROUP),
    Bad("alice", "GET", "/v1/conversations/nonsense/reads", None, *MALFORMED),
]

FRIENDS = [
    *(
        Bad("alice", "PUT", f"/v1/{kind}/{user}", None, *refusal)
        for kind in ("friend-requests", "blocks")
        for user, refusal in (
            ("nobody", UNKNOWN),
            ("system", UNKNOWN),
            ("alice", MALFORMED),
            (LONG, MALFORMED),
            ("a%00b", MALFORMED),
        )
    ),
    *(
        Bad("alice", method, path.replace("USER", "a%20b"), None, *MALFORMED)
        for method, path in (
            ("DELETE", "/v1/friends/USER"),
            ("DELETE", "/v1/friend-requests/USER"),
            ("POST", "/v1/friend-requests/USER/accept"),
            ("DELETE", "/v1/blocks/USER"),
        )
    ),
    Bad("alice", "POST", "/v1/friend-requests/bob/accept", None, *UNKNOWN),
    Bad("carol", "POST", "/v1/friend-requests/bob/accept", None, *UNKNOWN),
    Bad("alice", "DELETE", "/v1/friends/bob", None, *UNKNOWN),
    Bad("alice", "DELETE", "/v1/friend-requests/dora", None, *CONFLICT),
    *each(
        "alice",
        "PUT",
        _PRIVACY,
        None,
        [],
        {"presence": "friends"},
        {"strangers_may_write": None},
        {"strangers_may_write": "false", "presence": "friends"},
        {"strangers_may_write": 0, "presence": "friends"},
        {"strangers_may_write": None, "presence": "enemies"},
        {"strangers_may_write": None, "presence": "friends", "more": 1},
    ),
]

_CROW = {"text": "crow", "action": "flag"}
_TO_BOB = {"broadcast_id": "b1", "user_ids": ["bob"]}
MODERATION = [
    *each(
        "alice",
        "POST",
        "/v1/reports",
        {},
        {"user_id": "bob"},
        {"user_id": "bob", "reason": ""},
        {"user_id": "bob", "reason": "x" * 501},
        {"user_id": "bob", "reason": "a\x00b"},
        {"user_id": "bob", "reason": "x", "message_id": 7},
        {"user_id": "bob", "reason": "x", "message_id": "9" * 19},
        {"user_id": "bob", "reason": "x", "message_id": "9" * 20},
        {"user_id": "alice", "reason": "x"},
    ),
    Bad("alice", "POST", "/v1/reports", {"user_id": "nobody", "reason": "x"}, *UNKNOWN),
    *(
        bad
        for method in ("POST", "PUT")
        for bad in each(
            ROOT,
            method,
            _WORDS,
            {},
            {"words": ["crow"]},
            {"words": [{"text": "crow"}]},
            {"words": [_CROW | {"action": "ban"}]},
            {"words": [_CROW | {"text": ""}]},
            {"words": [_CROW | {"text": " \t"}]},
            {"words": [_CROW | {"text": LONG}]},
            {"words": [_CROW | {"text": 7}]},
        )
    ),
    Bad(ROOT, "POST", _WORDS, {"words": []}, *MALFORMED),
    Bad(ROOT, "PUT", _WORDS, {"words": [_CROW] * 5_001}, *MALFORMED),
    Bad(ROOT, "PUT", _WORDS, {"words": [_CROW] * 10_000}, 413, "BODY_TOO_LARGE"),
    *each(
        ROOT,
        "POST",
        f"{_WORDS}/remove",
        {},
        {"texts": []},
        {"texts": [LONG]},
        {"texts": ["a"] * 5_001},
    ),
    Bad(ROOT, "GET", "/v1/admin/risks/nobody", None, *UNKNOWN),
    Bad(ROOT, "POST", "/v1/admin/risks/nobody", {"points": 1}, *UNKNOWN),
    *each(
        ROOT,
        "POST",
        "/v1/admin/risks/bob",
        {},
        {"points": "1"},
        {"points": 1e6},
        {"points": -1e6},
        {"points": None},
    ),
    *each(
        ROOT,
        "POST",
        _SAY,
        {},
        _TO_BOB,
        _TO_BOB | {"text": "x", "content": {}},
        _TO_BOB | {"text": ""},
        _TO_BOB | {"text": "x" * 65_536},
        _TO_BOB | {"content": ["x"]},
        _TO_BOB | {"text": "x", "broadcast_id": "a b"},
        _TO_BOB | {"text": "x", "user_ids": []},
        _TO_BOB | {"text": "x", "user_ids": [f"u{n}" for n in range(1001)]},
    ),
    Bad(ROOT, "POST", _SAY, _TO_BOB | {"text": "x", "user_ids": ["bob", "nobody"]}, *UNKNOWN),
]
