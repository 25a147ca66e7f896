"""The small parts of the SDK, without a network: endpoints, tokens, sleeping, importing."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import subprocess
import sys

import pytest

from whimbrel import wire
from whimbrel.client.endpoints import Endpoints
from whimbrel.client.events import MessageEvent
from whimbrel.client.tokens import TokenSource, claimed_user
from whimbrel.client.waker import Waker
from whimbrel.core.errors import CloseCode, ErrorCode
from whimbrel.core.outgoing import BodyKind


def test_endpoints_go_round_the_present_one_first_then_the_named_then_the_given() -> None:
    endpoints = Endpoints(["a:1", "b:1", "a:1"])
    assert endpoints.current == "a:1"
    endpoints.advance()
    assert endpoints.current == "b:1"
    endpoints.learn(["c:1", "", "b:1"])
    tried = []
    for _ in range(4):
        tried.append(endpoints.current)
        endpoints.advance()
    assert tried == ["b:1", "c:1", "a:1", "b:1"]


def test_without_an_endpoint_nothing_can_be_connected() -> None:
    for given in ([], [""]):
        with pytest.raises(ValueError):
            Endpoints(given)


def jwt(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.sig"


@pytest.mark.parametrize(
    ("token", "user"),
    [
        (jwt({"sub": "alice"}), "alice"),
        (jwt({"sub": 7}), None),
        (jwt(["alice"]), None),
        ("opaque", None),
        ("a.b.c", None),
        ("a.%.c", None),
    ],
)
def test_the_claimed_user_is_read_only_where_it_can_be(token: str, user: str | None) -> None:
    assert claimed_user(token) == user


async def test_a_token_function_may_be_plain_or_async() -> None:
    async def later() -> str:
        return "later"

    assert await TokenSource("fixed").next() == "fixed"
    assert await TokenSource(lambda: "fresh").next() == "fresh"
    assert await TokenSource(later).next() == "later"


async def test_only_a_different_token_is_another() -> None:
    tokens = iter(["old", "old", "new"])
    source = TokenSource(lambda: next(tokens))
    await source.next()
    assert not await source.has_another()
    assert await source.has_another()
    assert not await TokenSource("fixed").has_another()


async def test_a_sleeper_wakes_for_what_is_earlier_only() -> None:
    waker, loop = Waker(), asyncio.get_running_loop()
    sleeper = asyncio.create_task(waker.wait_until(loop.time() + 1_000))
    await asyncio.sleep(0)
    waker.poke(loop.time() + 2_000)
    waker.poke(None)
    await asyncio.sleep(0)
    assert not sleeper.done()
    waker.poke(loop.time() + 500)
    waker.poke(loop.time() + 800)
    await asyncio.sleep(0)
    assert not sleeper.done(), "it is not woken to be told when to wake"
    soon = loop.time() + 0.02
    waker.poke(soon)
    await asyncio.wait_for(sleeper, 5)
    assert loop.time() >= soon - 0.001
    again = asyncio.create_task(waker.wait_until(loop.time() + 1_000))
    await asyncio.sleep(0)
    waker.poke(-math.inf)
    await asyncio.wait_for(again, 5)
    await waker.wait_until(loop.time() - 1)  # what is over wakes at once


def test_a_text_is_read_as_text_only() -> None:
    fields = {
        "seq": 1,
        "message_id": 1,
        "conversation_id": "g:1",
        "sender_id": "bob",
        "sender_device_id": "desk",
        "client_message_id": "x",
        "sent_at_ms": 0,
        "late": False,
    }
    assert MessageEvent(kind=BodyKind.TEXT, body="né".encode(), **fields).text == "né"  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        _ = MessageEvent(kind=BodyKind.BYTES, body=b"", **fields).text  # type: ignore[arg-type]


def test_codes_of_a_newer_server_act_by_their_range() -> None:
    assert wire.close_code(99) is CloseCode.INTERNAL
    assert wire.close_code(150) is CloseCode.SEQ_AHEAD
    assert not wire.close_code(999).reconnects
    assert wire.error_code(99) is ErrorCode.INTERNAL


def test_importing_the_core_imports_no_grpc() -> None:
    program = "import sys, whimbrel, whimbrel.core.inbox; print('grpc' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
