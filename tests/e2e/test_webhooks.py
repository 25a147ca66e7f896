"""The host product rejects one message, changes another, and hears of the others in order, through
a whole stack: also when the Logic that stored them is killed, and when Redis is flushed."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis
from standardwebhooks import Webhook

from tests.waiting import until
from whimbrel.client import connect
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.local.stack import Stack, StackSpec

pytestmark = pytest.mark.timeout(180)

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


class HostProduct:
    """A real backend: it forbids "bad", changes "damn", and keeps the events that it hears."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        """By id, in the order of their first arrival."""

    async def before_send(self, request: web.Request) -> web.Response:
        content = Webhook(SECRET).verify(await request.read(), dict(request.headers))
        verdicts = [self._verdict(one["text"]) for one in content["messages"]]
        return web.json_response({"verdicts": verdicts})

    def _verdict(self, text: str) -> dict[str, str]:
        if text == "bad":
            return {"action": "reject", "reason": "spam"}
        return {"action": "change", "text": "d***"} if text == "damn" else {"action": "allow"}

    async def hear(self, request: web.Request) -> web.Response:
        content = Webhook(SECRET).verify(await request.read(), dict(request.headers))
        for event in content["events"]:
            self.events.setdefault(event["id"], event)
        return web.Response()

    @property
    def texts(self) -> list[str]:
        return [base64.b64decode(one["base64"]).decode() for one in self.events.values()]


@asynccontextmanager
async def hosted(tmp_path: Path, logic: int = 1) -> AsyncIterator[tuple[Stack, HostProduct]]:
    secrets = tmp_path / "secrets"
    secrets.write_text(SECRET)
    host = HostProduct()
    app = web.Application()
    app.router.add_post("/before-send", host.before_send)
    app.router.add_post("/events", host.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    environment = {
        "WHIMBREL_WEBHOOKS__BEFORE_SEND_URL": f"{base}/before-send",
        # A busy machine may be late; what a deadline does has tests of its own.
        "WHIMBREL_WEBHOOKS__BEFORE_SEND_TIMEOUT_SECONDS": "5",
        "WHIMBREL_WEBHOOKS__EVENTS_URL": f"{base}/events",
        "WHIMBREL_WEBHOOKS__EVENTS_BODIES": "true",
        "WHIMBREL_WEBHOOKS__SECRETS_FILE": str(secrets),
    }
    try:
        spec = StackSpec(access=1, logic=logic, push=1, gateway=0, environment=environment)
        async with Stack.start(spec) as stack:
            yield stack, host
    finally:
        await runner.cleanup()


async def test_one_is_rejected_one_is_changed_and_the_others_are_heard_of_in_order(
    tmp_path: Path,
) -> None:
    async with hosted(tmp_path) as (stack, host):
        async with connect(stack.endpoints, stack.token("alice"), device="desk") as alice:
            await alice.send("bob", "one")
            with pytest.raises(WhimbrelError) as caught:
                await alice.send("bob", "bad")
            assert caught.value.code is ErrorCode.REFUSED_BY_HOST
            assert caught.value.detail == "spam"
            await alice.send("bob", "damn")
            for number in range(20):
                await alice.send("bob", f"m{number}")
        expected = ["one", "d***", *(f"m{number}" for number in range(20))]
        await until(lambda: len(host.events) == len(expected))
        assert host.texts == expected


async def test_no_event_is_lost_with_a_killed_logic_or_a_flushed_redis(tmp_path: Path) -> None:
    async with hosted(tmp_path, logic=2) as (stack, host):
        async with connect(stack.endpoints, stack.token("alice"), device="desk") as alice:
            sends = [
                asyncio.create_task(alice.send("bob", f"m{n}", timeout_seconds=60))
                for n in range(100)
            ]
            await sends[10]
            await stack.kill("logic-0")
            redis = Redis.from_url(stack.redis_url)
            await redis.flushall()
            await redis.aclose()
            await asyncio.gather(*sends)
        await until(lambda: len(host.events) >= len(sends), seconds=90)
        assert sorted(host.texts) == sorted(f"m{n}" for n in range(100))
