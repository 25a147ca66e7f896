"""GET /metrics over HTTP, on the service's own event loop.

The library's own server answers from a thread, which would read figures while the loop changes
them. One request a connection; whoever is slow, loud or one too many is turned away: this port
must not cost the pod anything but its scrapes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final, Protocol

from whimbrel.runtime.http_server import HttpLimits, HttpServer, Receive, Scope, Send
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

PATH: Final = "/metrics"
LIMITS: Final = HttpLimits(head_seconds=5.0, idle_seconds=5, max_connections=8, grace_seconds=1.0)
_PLAIN: Final = "text/plain; charset=utf-8"


class Exposing(Protocol):
    """Whoever has figures to show."""

    async def expose(self, accept: str) -> tuple[bytes, str]:
        """Everything as text, and its content type; `accept` is the scraper's Accept header."""
        ...


@asynccontextmanager
async def metrics_endpoint(
    listen: str, metrics: Exposing, limits: HttpLimits = LIMITS
) -> AsyncIterator[str]:
    """Serve until the block is left; yields host:port as bound. OSError when the port is taken
    or the address is not ours."""
    server = HttpServer(_Exposition(metrics), listen, limits)
    serving = asyncio.create_task(server.run())
    try:
        yield server.address
    finally:
        await server.stop()
        await serving


class _Exposition:
    """The application: one path, and a sentence for everything else."""

    def __init__(self, metrics: Exposing) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and end its connection."""
        status, body, content_type = await self._answer(scope)
        body = body or f"{status.phrase}\n".encode()
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status.value, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope) -> tuple[HTTPStatus, bytes, str]:
        if scope["path"] != PATH:
            return HTTPStatus.NOT_FOUND, b"", _PLAIN
        if scope["method"] != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED, b"", _PLAIN
        accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
        try:
            return HTTPStatus.OK, *await self._metrics.expose(accept)
        # The edge of a scrape: a collector with a bug must not end the service, and not in silence.
        except Exception:  # noqa: BLE001 - a supervised step
            _log.exception("metrics_failed")
            return HTTPStatus.INTERNAL_SERVER_ERROR, b"", _PLAIN
