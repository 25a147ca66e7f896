"""Conversations, history, search and offline pull over HTTP, with a Logic on real stores."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.component.gateway.gateway_world import SECRET, GatewayWorld, code_of, gateway
from tests.component.logic.history_world import CHAT, HistoryWorld, eventually, history_world
from whimbrel.runtime.tokens import sign_token


class World(NamedTuple):
    """Logic behind, the gateway before it, and Bob, who calls."""

    logic: HistoryWorld
    gateway: GatewayWorld

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        token = sign_token(SECRET, "bob", 600, now=time.time())
        return await self.gateway.call(method, path, body, token=token)

    async def get(self, path: str) -> Any:
        """What a GET answers, which is well."""
        answer = await self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def recent(self) -> dict[str, list[str]]:
        """The undelivered texts of each conversation."""
        page = await self.get("/v1/sessions/recent?messages=100")
        return {one["conversation_id"]: texts(one["messages"]) for one in page["conversations"]}

    async def counts(self) -> dict[str, tuple[int, int]]:
        """(unread, undelivered) of each conversation."""
        page = await self.get("/v1/conversations")
        return {
            one["conversation_id"]: (one["unread"], one["undelivered"])
            for one in page["conversations"]
        }


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [one["text"] for one in messages]


@pytest.fixture
async def world(redis_url: str, mongo_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with (
        history_world(redis_url, mongo_url) as logic,
        gateway(tmp_path, mongo_url, router=logic.router_address) as http,
    ):
        world = World(logic, http)
        await eventually(lambda: _status(world), 200)
        yield world


async def _status(world: World) -> int:
    return (await world.call("GET", "/v1/conversations")).status_code


async def test_an_ack_on_the_stream_leaves_nothing_to_pull(world: World) -> None:
    await world.logic.send("hi")
    await eventually(world.recent, {CHAT: ["hi"]})
    await world.logic.acknowledge("bob", 1)
    await eventually(world.recent, {})
    assert await world.counts() == {CHAT: (1, 0)}


async def test_what_was_pulled_is_gone_and_still_unread(world: World) -> None:
    group = await world.logic.group("bob")
    for n in range(3):
        await world.logic.send(f"chat {n}")
        await world.logic.send(f"group {n}", to=group)
    await eventually(
        world.recent,
        {
            name: [f"{kind} {n}" for n in range(3)]
            for kind, name in (("group", group), ("chat", CHAT))
        },
    )
    page = await world.get("/v1/sessions/recent?messages=2")
    assert page["has_more"] is True
    told = {one["conversation_id"]: one["last_accessed_id"] for one in page["conversations"]}
    answer = await world.call("POST", "/v1/messages/lastAccessedId", told)
    assert answer.status_code == 200, answer.text
    assert {
        one["conversation_id"]: (one["removed"], one["undelivered"]) for one in answer.json()
    } == {
        CHAT: (2, 1),
        group: (2, 1),
    }
    assert await world.recent() == {group: ["group 2"], CHAT: ["chat 2"]}
    await world.logic.redis.flushall()
    assert await world.recent() == {group: ["group 2"], CHAT: ["chat 2"]}
    assert await world.counts() == {group: (3, 1), CHAT: (3, 1)}


async def test_a_list_shows_last_message_counts_pin_and_mute(world: World) -> None:
    group = await world.logic.group("bob")
    message_id = await world.logic.send("hello")
    await world.logic.send("news", to=group)
    await eventually(world.counts, {group: (1, 1), CHAT: (1, 1)})
    changed = await world.call(
        "PATCH", f"/v1/conversations/{CHAT}", {"pinned": True, "muted": True}
    )
    assert changed.json() == {"conversation_id": CHAT, "pinned": True, "muted": True}
    first = await world.get("/v1/conversations?limit=1")
    assert first["total_unread"] == 2
    (shown,) = first["conversations"]
    assert (shown["conversation_id"], shown["pinned"], shown["muted"]) == (CHAT, True, True)
    assert (shown["last"]["message_id"], shown["last"]["text"]) == (str(message_id), "hello")
    rest = await world.get(f"/v1/conversations?limit=1&after={first['next']}")
    assert [one["conversation_id"] for one in rest["conversations"]] == [group]
    assert rest["next"] == ""
    read = await world.call(
        "POST", f"/v1/conversations/{CHAT}/read", {"message_id": str(message_id)}
    )
    assert read.json() == {"conversation_id": CHAT, "unread": 0, "seq": "1"}
    assert await world.counts() == {CHAT: (0, 0), group: (1, 1)}


async def test_history_and_search(world: World) -> None:
    ids = [str(await world.logic.send(f"number {n}")) for n in range(5)]
    path = f"/v1/conversations/{CHAT}/messages"
    page = await world.get(f"{path}?limit=2")
    assert (texts(page["messages"]), page["has_older"], page["has_newer"]) == (
        ["number 3", "number 4"],
        True,
        False,
    )
    assert [one["message_id"] for one in page["messages"]] == ids[3:]
    assert texts((await world.get(f"{path}?before={ids[2]}"))["messages"]) == [
        "number 0",
        "number 1",
    ]
    assert texts((await world.get(f"{path}?after={ids[3]}"))["messages"]) == ["number 4"]
    around = await world.get(f"{path}?around={ids[2]}&limit=3")
    assert texts(around["messages"]) == ["number 1", "number 2", "number 3"]

    async def found(query: str) -> list[str]:
        return texts((await world.get(f"/v1/search?{query}"))["messages"])

    await eventually(lambda: found("q=numb"), [f"number {n}" for n in (4, 3, 2, 1, 0)])
    assert await found(f"q=number+3&conversation_id={CHAT}") == ["number 3"]
    page = await world.get("/v1/search?q=number&limit=4")
    assert texts((await world.get(f"/v1/search?q=number&before={page['next']}"))["messages"]) == [
        "number 0"
    ]


async def test_reads_say_how_far_each_member_has_read(world: World) -> None:
    path = f"/v1/conversations/{CHAT}/reads"
    assert await world.get(path) == {"reads": []}
    message_id = str(await world.logic.send("hi"))
    await eventually(world.counts, {CHAT: (1, 1)})
    await world.call("POST", f"/v1/conversations/{CHAT}/read", {"message_id": message_id})
    told = {"reads": [{"user_id": "bob", "message_id": message_id}]}
    await eventually(lambda: world.get(path), told)


BAD: list[tuple[str, str, Any, int]] = [
    ("GET", "/v1/conversations?limit=101", None, 400),
    ("GET", "/v1/conversations?after=x", None, 400),
    ("PATCH", f"/v1/conversations/{CHAT}", {}, 400),
    ("PATCH", f"/v1/conversations/{CHAT}", {"pinned": 1}, 400),
    ("PATCH", f"/v1/conversations/{CHAT}", {"pined": True}, 400),
    ("PATCH", "/v1/conversations/g:none", {"muted": True}, 404),
    ("PATCH", "/v1/conversations/GROUP", {"muted": True}, 403),
    ("GET", f"/v1/conversations/{CHAT}/messages?limit=0", None, 400),
    ("GET", f"/v1/conversations/{CHAT}/messages?before=1&after=2", None, 400),
    ("GET", f"/v1/conversations/{CHAT}/messages?before=9999999999999999999", None, 400),
    ("GET", f"/v1/conversations/{CHAT}/messages?around=-1", None, 400),
    ("GET", "/v1/conversations/nonsense/messages", None, 400),
    ("GET", "/v1/conversations/d:zoe:bob/messages", None, 404),
    ("GET", "/v1/conversations/d:alice:carol/messages", None, 403),
    ("GET", "/v1/conversations/GROUP/messages", None, 403),
    ("POST", f"/v1/conversations/{CHAT}/read", {"message_id": 7}, 400),
    ("POST", f"/v1/conversations/{CHAT}/read", {"message_id": "0"}, 400),
    ("POST", f"/v1/conversations/{CHAT}/read", {"message_id": "7"}, 404),
    ("POST", "/v1/conversations/GROUP/read", {"message_id": "OTHERS"}, 404),
    ("GET", "/v1/search", None, 400),
    ("GET", "/v1/search?q=%20", None, 400),
    ("GET", f"/v1/search?q={'x' * 201}", None, 400),
    ("GET", "/v1/search?q=x&conversation_id=GROUP", None, 403),
    ("GET", "/v1/sessions/recent?conversations=201", None, 400),
    ("GET", "/v1/sessions/recent?messages=0", None, 400),
    ("POST", "/v1/messages/lastAccessedId", {}, 400),
    ("POST", "/v1/messages/lastAccessedId", [], 400),
    ("POST", "/v1/messages/lastAccessedId", {CHAT: 7}, 400),
    ("POST", "/v1/messages/lastAccessedId", {"nonsense": "7"}, 400),
    ("POST", "/v1/messages/lastAccessedId", {CHAT: "MINE", "GROUP": "OTHERS"}, 404),
    ("POST", "/v1/messages/lastAccessedId", {f"g:{n}": "7" for n in range(201)}, 400),
]


async def test_bad_input_is_a_4xx_with_a_code_and_changes_nothing(world: World) -> None:
    group = await world.logic.group("carol")
    others = str(await world.logic.send("secret", to=group))
    mine = str(await world.logic.send("hi"))
    await eventually(world.counts, {CHAT: (1, 1)})
    for method, path, body, status in BAD:
        written = json.dumps([path, body])
        for name, value in (("GROUP", group), ("OTHERS", others), ("MINE", mine)):
            written = written.replace(name, value)
        answer = await world.call(method, *json.loads(written))
        assert code_of(answer)[0] == status, (method, written, answer.text)
        assert "secret" not in answer.text
        without = await world.gateway.call(method, *json.loads(written))
        assert code_of(without)[0] == 401, (method, path)
    assert await world.counts() == {CHAT: (1, 1)}
    assert await world.recent() == {CHAT: ["hi"]}
