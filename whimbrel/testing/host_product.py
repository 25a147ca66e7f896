"""A host product on this machine: a real backend that has its say before a message is stored, and
hears of what was."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from standardwebhooks import Webhook

REJECTED: Final = "bad"
REASON: Final = "spam"
CHANGED: Final = "damn"
CHANGED_TO: Final = "d***"

_SECRET: Final = "whsec_" + base64.b64encode(b"s" * 32).decode()  # of this machine alone


class HostProduct:
    """It rejects the text "bad", changes "damn", and keeps the events that it hears."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        """The WHIMBREL_ settings of Logic and push by which they find it."""
        self.events: dict[str, dict[str, Any]] = {}
        """By id, in the order of their first arrival."""

    async def before_send(self, request: web.Request) -> web.Response:
        """One verdict a message. An exception, as of a wrong signature, is a 500."""
        content = Webhook(_SECRET).verify(await request.read(), dict(request.headers))
        verdicts = [_verdict(one["text"]) for one in content["messages"]]
        return web.json_response({"verdicts": verdicts})

    async def hear(self, request: web.Request) -> web.Response:
        """Events of one conversation, in their order."""
        content = Webhook(_SECRET).verify(await request.read(), dict(request.headers))
        for event in content["events"]:
            self.events.setdefault(event["id"], event)
        return web.Response()

    def texts(self, conversation_id: str) -> list[str]:
        """The bodies that were heard of in a conversation, in the order of their arrival."""
        return [
            base64.b64decode(one["base64"]).decode()
            for one in self.events.values()
            if "base64" in one and one["conversation"] == conversation_id
        ]

    def heard(self, key: str) -> list[tuple[str, str]]:
        """(type, user) of the events of one conversation, or of one user's presence."""
        return [
            (one["type"], one.get("user") or one["sender"])
            for one in self.events.values()
            if key == one.get("conversation", one.get("user"))
        ]


def _verdict(text: str) -> dict[str, str]:
    if text == REJECTED:
        return {"action": "reject", "reason": REASON}
    return {"action": "change", "text": CHANGED_TO} if text == CHANGED else {"action": "allow"}


@asynccontextmanager
async def running_host_product(folder: Path) -> AsyncIterator[HostProduct]:
    """Serves on 127.0.0.1 until the block ends; `folder` gets the file with the secret."""
    secrets = folder / "webhook-secrets"
    secrets.write_text(_SECRET)
    environment = {"WHIMBREL_WEBHOOKS__SECRETS_FILE": str(secrets)}
    host = HostProduct(environment)
    app = web.Application()
    app.router.add_post("/before-send", host.before_send)
    app.router.add_post("/events", host.hear)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        environment |= {
            "WHIMBREL_WEBHOOKS__BEFORE_SEND_URL": f"{base}/before-send",
            # A busy machine may be late; what a deadline does is not shown here.
            "WHIMBREL_WEBHOOKS__BEFORE_SEND_TIMEOUT_SECONDS": "5",
            "WHIMBREL_WEBHOOKS__EVENTS_URL": f"{base}/events",
            "WHIMBREL_WEBHOOKS__EVENTS_BODIES": "true",
        }
        yield host
    finally:
        await runner.cleanup()
