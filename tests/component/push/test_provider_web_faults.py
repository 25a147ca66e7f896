"""Web Push and webhooks: a token, a host or a server that is not what it should be costs its own
notification, and no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from services.push.adapters.provider_webhook import WebhookProvider
from services.push.adapters.provider_webpush import read_vapid
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from services.push.wake_ports import Provider
from tests.component.push.notifications import notification
from tests.component.push.provider_web_world import TIMEOUT, MakeWebPush, hooks, http, web_push
from tests.waiting import until
from whimbrel.runtime.outbound_http import OutboundHttp
from whimbrel.testing.push_providers.http_server import HttpReply, running_nonsense
from whimbrel.testing.push_providers.web_servers import SECRET, Browser, WebhookServer

__all__ = ["hooks", "http", "web_push"]


@pytest.fixture
async def public_http() -> AsyncIterator[OutboundHttp]:
    made = OutboundHttp(allows_private_networks=False, timeout_seconds=TIMEOUT)
    yield made
    await made.close()


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
