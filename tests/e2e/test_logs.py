"""The real logs of a real stack, after people did everything: never a body, a token, a password."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import AsyncMongoClient

from whimbrel.api.types.v1 import types_pb2
from whimbrel.client import ConnectionClosed, connect
from whimbrel.core.errors import WhimbrelError
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.local.state import DataFolder
from whimbrel.runtime.tokens import sign_token
from whimbrel.testing.story.person import PASSWORD
from whimbrel.testing.story.story import Story

pytestmark = pytest.mark.timeout(180)
SECRET_WORDS = "the walrus swallowed a piano"
LEAST_BYTES = 6
"""A shorter body stands in any log by chance."""


def lines_of(logs: Path) -> list[str]:
    return [line for path in sorted(logs.glob("*.log")) for line in path.read_text().splitlines()]


def of_our_pods(lines: list[str]) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return [row for row in rows if "event" in row and "pod" in row]


async def bodies_of(stack: Stack) -> set[str]:
    """Everything that was said, as it is stored."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stack.mongo_url)
    try:
        found = set()
        async for row in client.whimbrel.messages.find({}, {"body": 1, "body_kind": 1}):
            body = row["body"].decode(errors="replace")
            # A system message names members, whom logs may name too.
            if len(body) >= LEAST_BYTES and row["body_kind"] == types_pb2.BODY_KIND_TEXT:
                found.add(body)
        return found
    finally:
        await client.close()


async def misbehave(stack: Stack) -> None:
    """What makes services complain: bad tokens, bad words, refused sends, a deaf end."""
    good = stack.token("alice")
    for token in (good[:-4] + "AAAA", "no-token-at-all"):
        with pytest.raises((ConnectionClosed, WhimbrelError)):
            async with connect(stack.endpoints, token) as im:
                await im.send("bob", SECRET_WORDS)
    async with connect(stack.endpoints, good) as im:
        await im.send("bob", SECRET_WORDS)
        with pytest.raises(WhimbrelError):
            await im.send("g:none", SECRET_WORDS)
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=20) as http:
        wrong = {"user_id": "alice", "password": SECRET_WORDS, "device_id": "d"}
        assert (await http.post("/v1/logins", json=wrong)).status_code >= 400
        headers = {"authorization": f"Bearer {good}x"}
        assert (await http.get("/v1/friends", headers=headers)).status_code == 401
        assert (await http.post("/v1/users", content=SECRET_WORDS)).status_code >= 400


def secrets_of(folder: DataFolder) -> list[str]:
    """That of the pods, and the private half of the key of tokens."""
    (signing,) = json.loads(folder.signing_file.read_text())["keys"]
    return [folder.token_key.read_text().strip(), signing["d"]]


async def test_after_a_whole_story_no_log_has_a_body_a_token_or_a_password() -> None:
    async with Stack.start(StackSpec(access=2, logic=2, drain=0)) as stack:
        key = stack.folder.signing_key()
        secrets = secrets_of(stack.folder)

        def admin_token() -> str:
            return sign_token(key, "operator", 60, now=time.time(), scope="admin")

        await Story(stack.gateway_url, stack.endpoints, admin_token, lambda _: None).run()
        await misbehave(stack)
        bodies = await bodies_of(stack)
        await stack.kill("logic-0")
        await stack.restart_role("access")
        logs = lines_of(stack.folder.logs)
    rows = of_our_pods(logs)
    text = "\n".join(logs)
    assert len(bodies) > 5
    assert SECRET_WORDS in bodies
    assert [body for body in bodies if body in text] == []
    assert PASSWORD not in text
    assert "eyJ" not in text, "how every signed token begins"
    assert len(secrets) == 2
    assert [secret for secret in secrets if secret in text] == []
    closed = [row for row in rows if row["event"] == "stream_closed" and row["user"]]
    assert sum(row["delivered"] for row in closed) > 10
    assert sum(row["sent"] for row in closed) > 5
    ended = [row for row in rows if row["event"] == "drain_ended"]
    assert {row["outcome"] for row in ended} == {"empty"}
    assert {row["pod"] for row in ended} >= {"access-0", "access-1"}
    assert all({"timestamp", "level"} <= row.keys() for row in rows)
