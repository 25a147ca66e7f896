"""FCM on this machine: HTTP v1, with the exchange of a service account's assertion for a token,
and answers as Google documents them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from whimbrel.testing.push_providers.http_server import HttpReply, running_http

PROJECT = "whimbrel-test"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""What google-auth asserts, wherever the token endpoint is."""


def fcm_error(status: int, api: str, code: str = "", *, field_name: str = "") -> HttpReply:
    """An error document: `api` is the status of Google's APIs, `code` FCM's own errorCode."""
    details: list[dict[str, Any]] = []
    if code:
        kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
        details.append({"@type": kind, "errorCode": code})
    if field_name:
        kind = "type.googleapis.com/google.rpc.BadRequest"
        violation = {"field": field_name, "description": "Invalid registration token"}
        details.append({"@type": kind, "fieldViolations": [violation]})
    error = {"code": status, "message": "as documented", "status": api, "details": details}
    return HttpReply(status, json.dumps({"error": error}).encode())


OK = HttpReply(200, json.dumps({"name": f"projects/{PROJECT}/messages/1"}).encode())


@dataclass
class FcmServer:
    """What it has seen, and how it answers."""

    key: rsa.RSAPrivateKey
    url: str = ""
    answer: Callable[[str, int], HttpReply] = lambda _token, _count: OK
    """By registration token, and how often that one came before."""
    exchange: Callable[[], HttpReply | None] = lambda: None
    """Instead of an access token."""
    messages: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    issued: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)

    def write_service_account(self, path: Path) -> Path:
        """The file as the console gives it; its token endpoint is this server."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        said = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "k1",
            "private_key": pem.decode(),
            "client_email": f"push@{PROJECT}.example.org",
            "token_uri": f"{self.url}/token",
        }
        path.write_text(json.dumps(said))
        return path

    async def handle(self, request: web.Request, body: bytes) -> HttpReply:
        """One request."""
        if request.path == "/token":
            return self._exchange(body)
        if request.path != f"/v1/projects/{PROJECT}/messages:send":
            return HttpReply(404, b"<html>no such page</html>")
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer not in self.issued or bearer in self.revoked:
            return fcm_error(401, "UNAUTHENTICATED")
        message = json.loads(body)["message"]
        token = message["token"]
        count = self.asked.get(token, 0)
        self.asked[token] = count + 1
        reply = self.answer(token, count)
        if reply.status == 200 and not reply.hangs:
            self.messages.append(message)
        return reply

    def _exchange(self, body: bytes) -> HttpReply:
        instead = self.exchange()
        if instead is not None:
            return instead
        assertion = parse_qs(body.decode())["assertion"][0]
        jwt.decode(assertion, self.key.public_key(), algorithms=["RS256"], audience=AUDIENCE)
        self.issued.append(f"ya29.token-{len(self.issued)}")
        said = {"access_token": self.issued[-1], "expires_in": 3600, "token_type": "Bearer"}
        return HttpReply(200, json.dumps(said).encode(), {"content-type": "application/json"})


@asynccontextmanager
async def running_fcm() -> AsyncIterator[FcmServer]:
    """Serves until the block ends."""
    server = FcmServer(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    async with running_http(server.handle) as url:
        server.url = url
        yield server
