"""A browser's push service and an application's own server on this machine: what comes is checked
and decrypted as those who receive it would."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import http_ece
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from standardwebhooks import Webhook, WebhookVerificationError

from whimbrel.testing.push_providers.http_server import HttpReply, running_http

CREATED = HttpReply(201)
NO_CONTENT = HttpReply(204)
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class Browser:
    """A subscription and what it takes to read what comes for it."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = b"0123456789abcdef"

    def subscription(self, endpoint: str) -> str:
        """As the browser gives it, in JSON."""
        point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        keys = {"p256dh": _base64(point), "auth": _base64(self._auth)}
        return json.dumps({"endpoint": endpoint, "expirationTime": None, "keys": keys})

    def read(self, body: bytes) -> dict[str, Any]:
        """The message that came encrypted."""
        clear = http_ece.decrypt(
            body, private_key=self._key, auth_secret=self._auth, version="aes128gcm"
        )
        said: dict[str, Any] = json.loads(clear)
        return said


@dataclass
class WebPushServer:
    """A push service with one subscription for each path."""

    url: str = ""
    answer: Callable[[str], HttpReply] = lambda _path: CREATED
    bodies: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """(path, headers, body) of what was taken."""

    async def handle(self, request: web.Request, body: bytes) -> HttpReply:
        """One request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not Vapid02.verify(headers.get("authorization", "vapid t=a.b,k=")):
            return HttpReply(403, b"invalid JWT")
        if headers.get("content-encoding") != "aes128gcm" or "ttl" not in headers:
            return HttpReply(400)
        reply = self.answer(request.path)
        if reply is CREATED:
            self.bodies.append((request.path, headers, body))
        return reply


@dataclass
class WebhookServer:
    """An application's server."""

    url: str = ""
    answer: Callable[[str], HttpReply] = lambda _path: NO_CONTENT
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """(webhook-id, event) of what was taken."""

    async def handle(self, request: web.Request, body: bytes) -> HttpReply:
        """One request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            event = Webhook(SECRET).verify(body, headers)
        except WebhookVerificationError:
            return HttpReply(401)
        reply = self.answer(request.path)
        if reply is NO_CONTENT:
            self.events.append((headers["webhook-id"], event))
        return reply


@asynccontextmanager
async def running_webpush() -> AsyncIterator[WebPushServer]:
    """Serves until the block ends."""
    server = WebPushServer()
    async with running_http(server.handle) as url:
        server.url = url
        yield server


@asynccontextmanager
async def running_webhook() -> AsyncIterator[WebhookServer]:
    """Serves until the block ends."""
    server = WebhookServer()
    async with running_http(server.handle) as url:
        server.url = url
        yield server


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
