"""FCM: against a server that exchanges assertions and answers as Google documents it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.push.adapters.google_token import GoogleToken
from services.push.adapters.provider_fcm import FcmProvider
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from tests.component.push.notifications import notification
from whimbrel.runtime.outbound_http import OutboundHttp
from whimbrel.testing.push_providers.fcm_server import FcmServer, fcm_error, running_fcm
from whimbrel.testing.push_providers.http_server import HttpReply, running_nonsense


class World:
    def __init__(self, server: FcmServer, folder: Path, http: OutboundHttp) -> None:
        self.server = server
        self.folder = folder
        self.http = http

    def provider(self, url: str = "") -> FcmProvider:
        account = self.server.write_service_account(self.folder / "account.json")
        return FcmProvider(url or self.server.url, GoogleToken(account.read_bytes()), self.http)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_fcm() as server:
        http = OutboundHttp(allows_private_networks=True, timeout_seconds=0.5)
        yield World(server, tmp_path, http)
        await http.close()


async def test_a_message_says_who_and_how_many_and_never_what(world: World) -> None:
    assert await world.provider().send(notification("token-1")) == DELIVERED
    (message,) = world.server.messages
    assert message["token"] == "token-1"
    assert message["notification"] == {"title": "Alice Ä", "body": "New message (2)"}
    assert message["data"]["badge"] == "3"
    assert message["android"] == {
        "collapse_key": "d:alice:bob",
        "priority": "HIGH",
        "ttl": "86400s",
        "notification": {
            "tag": "d:alice:bob",
            "default_sound": True,
            "notification_priority": "PRIORITY_HIGH",
            "notification_count": 3,
        },
    }


async def test_quiet_hours_bring_no_sound_and_an_unknown_count_no_badge(world: World) -> None:
    await world.provider().send(notification("token-1", badge=None, is_silent=True))
    android = world.server.messages[0]["android"]
    assert android["priority"] == "NORMAL"
    assert not android["notification"]["default_sound"]
    assert "notification_count" not in android["notification"]


async def test_an_access_token_is_exchanged_once_for_all(world: World) -> None:
    provider = world.provider()
    sends = [provider.send(notification(f"token-{number}")) for number in range(50)]
    assert set(await asyncio.gather(*sends)) == {DELIVERED}
    assert len(world.server.issued) == 1


@pytest.mark.parametrize(
    ("reply", "result", "reason"),
    [
        (fcm_error(404, "NOT_FOUND", "UNREGISTERED"), Result.DEAD_TOKEN, "UNREGISTERED"),
        (
            fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", field_name="message.token"),
            Result.DEAD_TOKEN,
            "INVALID_ARGUMENT",
        ),
        (
            fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
            Result.REFUSED,
            "INVALID_ARGUMENT",
        ),
        (
            fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
            Result.REFUSED,
            "SENDER_ID_MISMATCH",
        ),
        (fcm_error(403, "PERMISSION_DENIED"), Result.UNAVAILABLE, "PERMISSION_DENIED"),
        (
            fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
            Result.REFUSED,
            "THIRD_PARTY_AUTH_ERROR",
        ),
        (fcm_error(500, "INTERNAL", "INTERNAL"), Result.RETRY, "INTERNAL"),
        (fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"), Result.RETRY, "UNAVAILABLE"),
        (HttpReply(404, b"<html>no such page</html>"), Result.REFUSED, "status 404"),
        (HttpReply(502, b"<html>bad gateway</html>"), Result.RETRY, "status 502"),
        (HttpReply(400, b'{"error": []}'), Result.REFUSED, "status 400"),
    ],
)
async def test_each_answer_has_its_outcome(
    world: World, reply: HttpReply, result: Result, reason: str
) -> None:
    world.server.answer = lambda _token, _count: reply
    outcome = await world.provider().send(notification("token-1"))
    assert (outcome.result, outcome.reason) == (result, reason)


async def test_a_used_up_quota_waits_as_long_as_google_asks(world: World) -> None:
    quota = fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
    world.server.answer = lambda _token, _count: quota
    outcome = await world.provider().send(notification("token-1"))
    assert outcome == Outcome(Result.UNAVAILABLE, "QUOTA_EXCEEDED", 60.0)
    asked = HttpReply(429, quota.body, {"retry-after": "17"})
    world.server.answer = lambda _token, _count: asked
    outcome = await world.provider().send(notification("token-1"))
    assert outcome.retry_after_seconds == 17.0


async def test_an_access_token_that_is_revoked_is_exchanged_anew(world: World) -> None:
    provider = world.provider()
    assert await provider.send(notification("token-1")) == DELIVERED
    world.server.revoked |= {*world.server.issued}
    outcome = await provider.send(notification("token-1"))
    assert outcome == Outcome(Result.RETRY, "UNAUTHENTICATED", suffers=True)
    assert await provider.send(notification("token-1")) == DELIVERED
    assert len(world.server.issued) == 2


async def test_a_token_endpoint_that_refuses_is_unavailable(world: World) -> None:
    world.server.exchange = lambda: HttpReply(400, b'{"error": "invalid_grant"}')
    outcome = await world.provider().send(notification("token-1"))
    assert outcome.result is Result.UNAVAILABLE
    assert world.server.asked == {}


async def test_a_server_that_hangs_or_ends_the_connection_is_tried_again(world: World) -> None:
    for reply in (HttpReply(hangs=True), HttpReply(ends_connection=True)):
        world.server.answer = lambda _token, _count, reply=reply: reply  # type: ignore[misc]
        outcome = await world.provider().send(notification("token-1"))
        assert outcome.result is Result.RETRY
        assert outcome.suffers


async def test_a_server_that_speaks_something_else_is_tried_again(world: World) -> None:
    async with running_nonsense(b"220 mail.example.org ESMTP\r\n") as url:
        outcome = await world.provider(url).send(notification("token-1"))
    assert outcome.result is Result.RETRY
    assert outcome.suffers


def test_a_file_that_is_no_service_accounts_is_said_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    for text in ("nonsense", "{}", '{"project_id": "p", "private_key": "x"}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="service account"):
            GoogleToken(path.read_bytes())
