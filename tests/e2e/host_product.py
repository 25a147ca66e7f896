"""A host product with a real backend, beside a whole stack that asks and tells it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from whimbrel.local.stack import Stack, StackSpec

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

    def heard(self, key: str) -> list[tuple[str, str]]:
        """(type, user) of the events of one conversation, or of one user's presence."""
        return [
            (one["type"], one.get("user") or one["sender"])
            for one in self.events.values()
            if key == one.get("conversation", one.get("user"))
        ]

    async def hear(self, request: web.Request) -> web.Response:
        content = Webhook(SECRET).verify(await request.read(), dict(request.headers))
        for event in content["events"]:
            self.events.setdefault(event["id"], event)
        return web.Response()

    @property
    def texts(self) -> list[str]:
        """The bodies of the messages that it heard of."""
        return [base64.b64decode(one["base64"]).decode() for one in self.events.values()]


@asynccontextmanager
async def hosted(
    tmp_path: Path, *, access: int = 1, logic: int = 1, **settings: str
) -> AsyncIterator[tuple[Stack, HostProduct]]:
    """A stack with a host product; `settings` of the group WEBHOOKS besides."""
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
        **{f"WHIMBREL_WEBHOOKS__{name.upper()}": value for name, value in settings.items()},
    }
    try:
        spec = StackSpec(access=access, logic=logic, push=1, gateway=0, environment=environment)
        async with Stack.start(spec) as stack:
            yield stack, host
    finally:
        await runner.cleanup()
