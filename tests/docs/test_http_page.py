"""docs/http.md says what is so: every endpoint, every code, and each example as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from services.gateway.errors import HTTP_STATUS_OF
from tests.component.gateway.gateway_world import GatewayWorld, gateway, until_logic_answers
from tests.component.logic.history_world import history_world

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "http.md").read_text()
ANYTHING = "…"
_HEADER = re.compile(r"[a-z-]+: ")


class Example(NamedTuple):
    """A block of the page; `token` names whose token is given, `key` is the Idempotency-Key."""

    method: str
    path: str
    token: str | None
    key: str | None
    body: str
    status: int
    answer: Any


def examples() -> list[Example]:
    found = []
    for block in re.findall(r"^```http\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        request, answer = block.split("\n\n", 1)
        first, *rest = request.splitlines()
        method, path = first.split()
        headers = dict(line.split(": ", 1) for line in rest if _HEADER.match(line))
        body = "".join(line for line in rest if not _HEADER.match(line))
        status, _, content = answer.partition("\n")
        bearer = headers.get("authorization")
        found.append(
            Example(
                method,
                path,
                bearer and bearer.removeprefix("Bearer "),
                headers.get("idempotency-key"),
                body,
                int(status),
                json.loads(content) if content else None,
            )
        )
    return found


def assert_like(told: Any, seen: Any, where: str) -> None:
    """`seen` is what the page tells; "…" stands for anything."""
    if told == ANYTHING:
        return
    if isinstance(told, dict):
        assert isinstance(seen, dict)
        assert set(told) == set(seen), where
        for key, value in told.items():
            assert_like(value, seen[key], f"{where}.{key}")
    elif isinstance(told, list):
        assert len(told) == len(seen), where
        for one, other in zip(told, seen, strict=True):
            assert_like(one, other, where)
    else:
        assert told == seen, where


def remember(names: dict[str, str], answer: Any) -> None:
    """After tokens of a user: NAME, NAME_REFRESH, and NAME_USED for the one before."""
    if isinstance(answer, dict) and "refresh_token" in answer:
        name = answer["user_id"].upper()
        names[f"{name}_USED"] = names.get(f"{name}_REFRESH", "")
        names[name] = answer["access_token"]
        names[f"{name}_REFRESH"] = answer["refresh_token"]


async def test_every_example_answers_what_the_page_says(
    tmp_path: Path, mongo_url: str, redis_url: str
) -> None:
    async with (
        history_world(redis_url, mongo_url) as logic,
        gateway(tmp_path, mongo_url, router=logic.router_address) as world,
    ):
        await until_logic_answers(world)
        names = {"ADMIN": world.admin()}
        for example in examples():
            body = example.body
            for name in sorted(names, key=len, reverse=True):
                body = body.replace(f'"{name}"', json.dumps(names[name]))
            where = f"{example.method} {example.path} {example.body}"
            seen = await world.call(
                example.method,
                example.path,
                json.loads(body) if body else None,
                token=names[example.token] if example.token else None,
                key=example.key,
            )
            assert seen.status_code == example.status, f"{where}: {seen.text}"
            answer = seen.json() if seen.content else None
            assert_like(example.answer, answer, where)
            remember(names, answer)
    assert len(examples()) > 25


@pytest.fixture
async def described(tmp_path: Path, mongo_url: str) -> Any:
    async with gateway(tmp_path, mongo_url) as world:
        return await _description(world)


async def _description(world: GatewayWorld) -> Any:
    return (await world.call("GET", "/openapi.json")).json()


async def test_every_endpoint_stands_on_the_page_and_no_other(described: Any) -> None:
    told = set(re.findall(r"^\| `([A-Z]+ /v1/[^`?]*)", PAGE, re.MULTILINE))
    there = {
        f"{method.upper()} {path}"
        for path, operations in described["paths"].items()
        for method in operations
    }
    assert told == there


def test_every_code_stands_on_the_page_with_its_status() -> None:
    (table,) = re.findall(r"^\| code \| status \|\n\|---\|---\|\n(.*?)\n\n", PAGE, re.M | re.S)
    told = {
        code: int(status)
        for codes, status in re.findall(r"^\| (.*) \| (\d+) \|$", table, re.MULTILINE)
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert told == {code.name: status for code, status in HTTP_STATUS_OF.items()}
