"""Web Push and webhooks: against servers that check and decrypt what comes, as receivers do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.push.adapters.provider_webhook import WebhookProvider
from services.push.adapters.provider_webpush import WebPushProvider, read_vapid, topic
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from services.push.wake_ports import Provider
from tests.component.push.notifications import notification
from tests.waiting import until
from whimbrel.runtime.outbound_http import OutboundHttp
from whimbrel.testing.push_providers.certificates import make_key
from whimbrel.testing.push_providers.http_server import HttpReply, running_nonsense
from whimbrel.testing.push_providers.web_servers import (
    SECRET,
    Browser,
    WebhookServer,
    WebPushServer,
    running_webhook,
    running_webpush,
)

MAIL = "mailto:push@example.org"
TIMEOUT = 0.5


@pytest.fixture
async def http() -> AsyncIterator[OutboundHttp]:
    made = OutboundHttp(allows_private_networks=True, timeout_seconds=TIMEOUT, max_per_host=20)
    yield made
    await made.close()


@pytest.fixture
async def public_http() -> AsyncIterator[OutboundHttp]:
    made = OutboundHttp(allows_private_networks=False, timeout_seconds=TIMEOUT)
    yield made
    await made.close()


@pytest.fixture
def web_push(tmp_path: Path) -> Callable[[OutboundHttp], WebPushProvider]:
    make_key(tmp_path / "vapid.pem")
    vapid = read_vapid((tmp_path / "vapid.pem").read_bytes())
    return lambda http: WebPushProvider(vapid, MAIL, http, wall_clock=time.time)


@pytest.fixture
async def browsers() -> AsyncIterator[WebPushServer]:
    async with running_webpush() as server:
        yield server


@pytest.fixture
async def hooks() -> AsyncIterator[WebhookServer]:
    async with running_webhook() as server:
        yield server


MakeWebPush = Callable[[OutboundHttp], WebPushProvider]


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


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "[]",
        "{}",
        '{"endpoint": "https://push.example.org/1"}',
        '{"endpoint": "https://push.example.org/1", "keys": {"p256dh": "AAAA", "auth": "AAAA"}}',
        '{"endpoint": "https://push.example.org/1", "keys": []}',
        '{"endpoint": "https://push.example.org/1", "keys": {"p256dh": 7, "auth": 7}}',
    ],
)
async def test_a_subscription_that_is_none_is_dead(
    web_push: MakeWebPush, http: OutboundHttp, token: str
) -> None:
    outcome = await web_push(http).send(notification(token))
    assert outcome == Outcome(Result.DEAD_TOKEN, "no subscription")


URLS = [
    "http://push.example.org/1",
    "https://127.0.0.1/1",
    "https://[::1]/1",
    "https://[::ffff:10.0.0.1]/1",
    "https://10.1.2.3:8080/",
    "https://169.254.169.254/latest/meta-data",
    "https://localhost/1",
    "https://0x7f.1/1",
    "https://user:secret@push.example.org/1",
    "ftp://push.example.org/1",
    "https:///1",
    "https://[bad/1",
    "https://push.example.org:99999/",
    "nonsense",
]


@pytest.mark.parametrize("url", URLS)
async def test_nobody_has_us_call_what_stands_beside_us(
    web_push: MakeWebPush, public_http: OutboundHttp, url: str
) -> None:
    webhook = WebhookProvider(SECRET, public_http, wall_clock=time.time)
    assert (await webhook.send(notification(url))).result is Result.DEAD_TOKEN
    token = Browser().subscription(url)
    outcome = await web_push(public_http).send(notification(token))
    assert outcome.result is Result.DEAD_TOKEN


async def test_a_host_that_hangs_keeps_a_bounded_share(
    hooks: WebhookServer, http: OutboundHttp
) -> None:
    heard: list[str] = []

    def hang(path: str) -> HttpReply:
        heard.append(path)
        return HttpReply(hangs=True)

    hooks.answer = hang
    provider = WebhookProvider(SECRET, http, wall_clock=time.time)
    hanging = [
        asyncio.create_task(provider.send(notification(f"{hooks.url}/{number}")))
        for number in range(20)
    ]
    await until(lambda: len(heard) == 20)
    outcome = await provider.send(notification(f"{hooks.url}/one-more"))
    assert outcome == Outcome(Result.RETRY, "too many to this host")
    outcomes = await asyncio.gather(*hanging)
    assert {one.result for one in outcomes} == {Result.RETRY}
    assert not any(one.suffers for one in outcomes)


async def test_a_server_that_ends_the_connection_or_speaks_something_else_is_tried_again(
    hooks: WebhookServer, web_push: MakeWebPush, http: OutboundHttp
) -> None:
    hooks.answer = lambda _path: HttpReply(ends_connection=True)
    webhook = WebhookProvider(SECRET, http, wall_clock=time.time)
    assert (await webhook.send(notification(hooks.url))).result is Result.RETRY
    async with running_nonsense(b"\x16\x03\x01 nonsense") as url:
        providers: list[tuple[Provider, str]] = [
            (webhook, url),
            (web_push(http), Browser().subscription(url)),
        ]
        for provider, token in providers:
            assert (await provider.send(notification(token))).result is Result.RETRY


async def test_a_long_answer_is_cut_off(hooks: WebhookServer, http: OutboundHttp) -> None:
    hooks.answer = lambda _path: HttpReply(200, b"x" * 5_000_000)
    provider = WebhookProvider(SECRET, http, wall_clock=time.time)
    assert await provider.send(notification(hooks.url)) == DELIVERED


def test_keys_that_are_none_are_said_at_the_start(http: OutboundHttp) -> None:
    with pytest.raises(ValueError, match="Web Push"):
        read_vapid(b"nonsense")
    with pytest.raises(ValueError, match="webhooks"):
        WebhookProvider("", http, wall_clock=time.time)
