"""Web Push and webhooks: servers that check and decrypt what comes, as receivers do, read who and
how many, and each of their answers has its outcome."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from services.push.adapters.provider_webhook import WebhookProvider
from services.push.adapters.provider_webpush import topic
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from tests.component.push.notifications import notification
from tests.component.push.provider_web_world import MakeWebPush, hooks, http, web_push
from whimbrel.runtime.outbound_http import OutboundHttp
from whimbrel.testing.push_providers.http_server import HttpReply
from whimbrel.testing.push_providers.web_servers import (
    SECRET,
    Browser,
    WebhookServer,
    WebPushServer,
    running_webpush,
)

__all__ = ["hooks", "http", "web_push"]


@pytest.fixture
async def browsers() -> AsyncIterator[WebPushServer]:
    async with running_webpush() as server:
        yield server


async def test_a_browser_reads_who_and_how_many_and_never_what(
    browsers: WebPushServer, web_push: MakeWebPush, http: OutboundHttp
) -> None:
    browser = Browser()
    token = browser.subscription(f"{browsers.url}/push/1")
    assert await web_push(http).send(notification(token)) == DELIVERED
    ((path, headers, body),) = browsers.bodies
    said = browser.read(body)
    assert path == "/push/1"
    assert (said["title"], said["body"]) == ("Alice Ä", "New message (2)")
    assert said["tag"] == "d:alice:bob"
    assert said["data"]["badge"] == "3"
    assert "Alice" not in str(body)
    assert headers["urgency"] == "high"
    assert headers["topic"] == topic("d:alice:bob")
    assert 86_000 < int(headers["ttl"]) <= 86_400


async def test_quiet_hours_are_not_urgent(
    browsers: WebPushServer, web_push: MakeWebPush, http: OutboundHttp
) -> None:
    browser = Browser()
    token = browser.subscription(f"{browsers.url}/push/1")
    await web_push(http).send(notification(token, is_silent=True, badge=None))
    ((_, headers, body),) = browsers.bodies
    assert headers["urgency"] == "low"
    assert browser.read(body)["silent"] is True
    assert "badge" not in browser.read(body)["data"]


async def test_an_applications_server_gets_a_signed_event(
    hooks: WebhookServer, http: OutboundHttp
) -> None:
    provider = WebhookProvider(SECRET, http, wall_clock=time.time)
    for _ in range(2):
        assert await provider.send(notification(f"{hooks.url}/hook")) == DELIVERED
    (first, event), (second, _) = hooks.events
    assert first == second == notification("").notification_id, "the same each time"
    assert event["type"] == "message.waiting"
    data = event["data"]
    assert (data["user_id"], data["device_id"], data["sender_id"]) == ("bob", "phone", "alice")
    assert data["message_id"] == str((1 << 60) + 7)
    assert data["badge"] == 3
    assert data["silent"] is False


async def test_another_secret_is_refused(hooks: WebhookServer, http: OutboundHttp) -> None:
    other = WebhookProvider("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", http, wall_clock=time.time)
    outcome = await other.send(notification(f"{hooks.url}/hook"))
    assert outcome == Outcome(Result.REFUSED, "status 401")


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (404, Result.DEAD_TOKEN),
        (410, Result.DEAD_TOKEN),
        (413, Result.REFUSED),
        (400, Result.REFUSED),
        (401, Result.REFUSED),
        (403, Result.REFUSED),
        (301, Result.REFUSED),
        (429, Result.RETRY),
        (500, Result.RETRY),
        (503, Result.RETRY),
    ],
)
async def test_each_answer_of_a_push_service_has_its_outcome(
    browsers: WebPushServer,
    web_push: MakeWebPush,
    http: OutboundHttp,
    status: int,
    result: Result,
) -> None:
    headers = {"retry-after": "30", "location": f"{browsers.url}/elsewhere"}
    browsers.answer = lambda _path: HttpReply(status, b"\xff nonsense", headers)
    token = Browser().subscription(f"{browsers.url}/push/1")
    outcome = await web_push(http).send(notification(token))
    assert (outcome.result, outcome.reason) == (result, f"status {status}")
    assert not outcome.suffers, "one push service says nothing about the others"
    if result is Result.RETRY:
        assert outcome.retry_after_seconds == 30.0


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (410, Result.DEAD_TOKEN),
        (404, Result.REFUSED),
        (400, Result.REFUSED),
        (302, Result.REFUSED),
        (429, Result.RETRY),
        (425, Result.RETRY),
        (500, Result.RETRY),
        (503, Result.RETRY),
    ],
)
async def test_each_answer_of_an_applications_server_has_its_outcome(
    hooks: WebhookServer, http: OutboundHttp, status: int, result: Result
) -> None:
    hooks.answer = lambda _path: HttpReply(status)
    provider = WebhookProvider(SECRET, http, wall_clock=time.time)
    outcome = await provider.send(notification(f"{hooks.url}/hook"))
    assert (outcome.result, outcome.reason) == (result, f"status {status}")
