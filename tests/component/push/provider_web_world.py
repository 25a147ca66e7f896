"""Providers of Web Push and webhooks, and the servers that they speak to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.push.adapters.provider_webpush import WebPushProvider, read_vapid
from whimbrel.runtime.outbound_http import OutboundHttp
from whimbrel.testing.push_providers.certificates import make_key
from whimbrel.testing.push_providers.web_servers import WebhookServer, running_webhook

MAIL = "mailto:push@example.org"
TIMEOUT = 0.5


@pytest.fixture
async def http() -> AsyncIterator[OutboundHttp]:
    made = OutboundHttp(allows_private_networks=True, timeout_seconds=TIMEOUT, max_per_host=20)
    yield made
    await made.close()


@pytest.fixture
def web_push(tmp_path: Path) -> Callable[[OutboundHttp], WebPushProvider]:
    make_key(tmp_path / "vapid.pem")
    vapid = read_vapid((tmp_path / "vapid.pem").read_bytes())
    return lambda http: WebPushProvider(vapid, MAIL, http, wall_clock=time.time)


@pytest.fixture
async def hooks() -> AsyncIterator[WebhookServer]:
    async with running_webhook() as server:
        yield server


MakeWebPush = Callable[[OutboundHttp], WebPushProvider]
