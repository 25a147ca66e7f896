"""Reports, words, risk and broadcasts over HTTP, with a Logic on real stores."""

from __future__ import annotations

import json
from typing import Any

from tests.component.gateway.people_world import ROOT, PeopleWorld
from tests.waiting import until


async def words(people: PeopleWorld) -> dict[str, str]:
    """The list, page by page of one."""
    found: dict[str, str] = {}
    after = ""
    while True:
        page = await people.done(ROOT, "GET", f"/v1/admin/words?limit=1&after={after}")
        if not page:
            return found
        found[page[0]["text"]] = page[0]["action"]
        after = page[0]["text"]


async def audit(people: PeopleWorld) -> list[tuple[str, str, dict[str, str]]]:
    """(act, target, detail) of what administrators did, in its order."""
    entries = await people.done(ROOT, "GET", "/v1/admin/audit")
    return [(one["act"], one["target"], one["detail"]) for one in reversed(entries)]


async def test_words_are_put_changed_removed_and_replaced(people: PeopleWorld) -> None:
    path = "/v1/admin/words"
    first = [{"text": "crow", "action": "flag"}, {"text": "a/b ü", "action": "mask"}]
    await people.done(ROOT, "POST", path, {"words": first})
    await people.done(ROOT, "POST", path, {"words": [{"text": "crow", "action": "reject"}]})
    assert await words(people) == {"a/b ü": "mask", "crow": "reject"}
    await people.done(ROOT, "POST", f"{path}/remove", {"texts": ["a/b ü", "never there"]})
    assert await words(people) == {"crow": "reject"}
    await people.done(ROOT, "PUT", path, {"words": [{"text": "rook", "action": "flag"}]})
    assert await words(people) == {"rook": "flag"}
    await people.done(ROOT, "PUT", path, {"words": []})
    assert await words(people) == {}
    assert await audit(people) == [
        ("words.put", "words", {"words": "2"}),
        ("words.put", "words", {"words": "1"}),
        ("words.remove", "words", {"words": "2"}),
        ("words.replace", "words", {"words": "1"}),
        ("words.replace", "words", {"words": "0"}),
    ]


async def test_a_message_with_a_flagged_word_is_shown_to_moderators(people: PeopleWorld) -> None:
    body = {"words": [{"text": "crow", "action": "flag"}]}
    await people.done(ROOT, "PUT", "/v1/admin/words", body)
    flagged: list[Any] = []

    async def seen() -> bool:
        await people.logic.send("a crow")
        flagged[:] = await people.done(ROOT, "GET", "/v1/admin/flagged?limit=1")
        return bool(flagged)

    await until(seen)
    (one,) = flagged
    assert (one["sender_id"], one["conversation_id"], one["words"]) == (
        "alice",
        "d:alice:bob",
        ["crow"],
    )
    older = f"/v1/admin/flagged?before_ms={one['at_ms']}&limit=100"
    assert all(other["at_ms"] < one["at_ms"] for other in await people.done(ROOT, "GET", older))


async def test_a_report_is_listed_and_raises_the_risk_once_a_day(people: PeopleWorld) -> None:
    report = {"user_id": "bob", "reason": "spam\nagain", "message_id": str(2**63 - 1)}
    await people.done("alice", "POST", "/v1/reports", report)
    await people.done("alice", "POST", "/v1/reports", {"user_id": "bob", "reason": "more"})
    await people.done("carol", "POST", "/v1/reports", report)
    newest, older = await people.done(ROOT, "GET", "/v1/admin/reports")
    assert {key: newest[key] for key in report} == report
    assert (newest["reporter_id"], older["reporter_id"]) == ("carol", "alice")
    assert (older["reason"], older["message_id"]) == ("more", None)
    rest = f"/v1/admin/reports?before_ms={newest['at_ms']}"
    assert newest not in await people.done(ROOT, "GET", rest)
    risk = await people.done(ROOT, "GET", "/v1/admin/risks/bob")
    assert 19.9 < risk["points"] <= 20.0
    assert await audit(people) == []


async def test_points_are_added_and_taken_away(people: PeopleWorld) -> None:
    path = "/v1/admin/risks/bob"
    assert await people.done(ROOT, "GET", path) == {"user_id": "bob", "points": 0.0}
    raised = await people.done(ROOT, "POST", path, {"points": 40})
    assert 39.9 < raised["points"] <= 40.0
    lowered = await people.done(ROOT, "POST", path, {"points": -10.5})
    assert 29.4 < lowered["points"] <= 29.5
    assert await audit(people) == [
        ("risk.adjust", "bob", {"points": "40.0"}),
        ("risk.adjust", "bob", {"points": "-10.5"}),
    ]


async def test_a_broadcast_reaches_each_user_once_as_a_system_message(people: PeopleWorld) -> None:
    path = "/v1/admin/broadcasts"
    text = {"broadcast_id": "news-1", "user_ids": ["bob", "alice"], "text": "down at 7 – secret"}
    for _ in range(2):
        assert await people.done(ROOT, "POST", path, text) == {"failed_ids": []}
    content = {"broadcast_id": "news-2", "user_ids": ["bob"], "content": {"type": "x", "n": [1]}}
    await people.done(ROOT, "POST", path, content)
    for user, wanted in (
        ("alice", [{"type": "broadcast", "text": text["text"]}]),
        (
            "bob",
            [
                {"type": "broadcast", "text": text["text"]},
                {"type": "broadcast", "content": content["content"]},
            ],
        ),
    ):
        conversation = ":".join(["d", *sorted(["system", user])])
        page = await people.done(user, "GET", f"/v1/conversations/{conversation}/messages")
        assert [json.loads(one["text"]) for one in page["messages"]] == wanted
        assert {(one["kind"], one["sender_id"]) for one in page["messages"]} == {
            ("system", "system")
        }
    entries = await audit(people)
    assert [(act, target, detail["users"]) for act, target, detail in entries] == [
        ("broadcast", "news-1", "2"),
        ("broadcast", "news-1", "2"),
        ("broadcast", "news-2", "1"),
    ]
    assert "secret" not in str(entries)
