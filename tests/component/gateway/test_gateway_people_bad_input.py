"""Bad input to the routes about people: a 4xx with a code, and nothing changed."""

from __future__ import annotations

import json
import re

import pytest

from tests.component.gateway.gateway_world import code_of
from tests.component.gateway.groups_bad_input import GROUPS
from tests.component.gateway.people_bad_input import FRIENDS, LISTS, MODERATION, Bad
from tests.component.gateway.people_world import ROOT, PeopleWorld

_TAGS = {"friends", "groups", "moderation"}


@pytest.mark.parametrize(
    "table", [LISTS, FRIENDS, GROUPS, MODERATION], ids=["lists", "friends", "groups", "moderation"]
)
async def test_bad_input_is_a_4xx_with_a_code_and_changes_nothing(
    people: PeopleWorld, table: list[Bad]
) -> None:
    group = await people.group("bob")
    founded = await people.done("carol", "POST", "/v1/groups", {"member_ids": ["dora"]})
    await people.done("alice", "POST", f"/v1/groups/{group}/link")
    await people.done("alice", "PUT", "/v1/friend-requests/bob")
    await people.done("alice", "PUT", "/v1/friend-requests/dora")
    await people.done("dora", "PUT", "/v1/friend-requests/alice")
    before = await people.kept()
    wrong = []
    for bad in table:
        written = json.dumps([bad.path, bad.body])
        written = written.replace("GROUP.", f"{group.removeprefix('g:')}.").replace("GROUP", group)
        path, body = json.loads(written.replace("OTHERS", founded["conversation_id"]))
        seen = code_of(await people.call(bad.who, bad.method, path, body, key=bad.key))
        if seen != (bad.status, bad.code):
            wrong.append((seen, bad))
    assert wrong == []
    assert await people.kept() == before


NO_JSON = [
    ("/v1/admin/risks/bob", '{"points": NaN}'),
    ("/v1/admin/risks/bob", '{"points": 1e999}'),
    ("/v1/admin/broadcasts", '{"content": {"n": NaN}, TO}'),
    ("/v1/admin/broadcasts", '{"content": {"n": "\\ud800"}, TO}'),
    ("/v1/admin/broadcasts", '{"content": {"\\ud800": 1}, TO}'),
    *(
        ("/v1/admin/broadcasts", '{"content": {"n": DEEP}, TO}'.replace("DEEP", "[" * n + "]" * n))
        for n in (900, 60_000)
    ),
    ("/v1/admin/broadcasts", '{"text": "\\ud800", TO}'),
    ("/v1/admin/words", '{"words": [{"text": "\\udfff", "action": "flag"}]}'),
    ("/v1/reports", '{"user_id": "bob", "reason": "\\ud800"}'),
    ("/v1/groups", '{"member_ids": ["bob"], "name": "\\ud800"}'),
    ("/v1/groups", '{"member_ids": ["bob"]'),
    ("/v1/groups", '{"member_ids": ["bob"], "name": "\xff"}'),
]


async def test_json_that_no_reader_takes_is_refused(people: PeopleWorld) -> None:
    before = await people.kept()
    for path, body in NO_JSON:
        written = body.replace("TO", '"broadcast_id": "b1", "user_ids": ["bob"]')
        answer = await people.gateway.http.post(
            path,
            content=written.encode("latin-1"),
            headers={
                "authorization": f"Bearer {people.gateway.admin()}",
                "content-type": "application/json",
            },
        )
        assert code_of(answer) == (400, "INVALID_ARGUMENT"), (path, body[:99])
    assert await people.kept() == before


async def test_without_a_token_or_its_scope_nothing_is_done(people: PeopleWorld) -> None:
    before = await people.kept()
    described = (await people.gateway.call("GET", "/openapi.json")).json()["paths"]
    about_people = {
        (method.upper(), path): "parameters" in operation or "requestBody" in operation
        for path, operations in described.items()
        for method, operation in operations.items()
        if _TAGS & set(operation["tags"]) or path.endswith("/reads")
    }
    assert len(about_people) > 35
    for (method, path), takes_something in about_people.items():
        asked = path.replace("{conversation_id}", "g:none").replace("{user_id}", "bob")
        assert code_of(await people.gateway.call(method, asked)) == (401, "UNAUTHENTICATED")
        if path.startswith("/v1/admin/"):
            refused = await people.call("alice", method, asked)
            assert code_of(refused) == (403, "PERMISSION_DENIED"), path
        if not takes_something:
            continue
        form = re.sub(r"\{[a-z_]+\}", "[^/]+", path)
        in_table = [
            bad
            for bad in [*LISTS, *FRIENDS, *GROUPS, *MODERATION]
            if bad.method == method and re.fullmatch(form, bad.path.partition("?")[0])
        ]
        assert in_table, f"{method} {path} is asked nothing bad"
        assert {bad.who == ROOT for bad in in_table} == {path.startswith("/v1/admin/")}
    assert await people.kept() == before
