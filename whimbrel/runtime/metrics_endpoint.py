"""GET /metrics over HTTP, on the service's own event loop.

The library's own server answers from a thread, which would read figures while the loop changes
them. One request a connection; whoever is slow, loud or one too many is cut off: this port must
not cost the pod anything but its scrapes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.metrics import Metrics

_log = get_logger(__name__)

PATH: Final = "/metrics"
_MOST_CONNECTIONS: Final = 8
_REQUEST_SECONDS: Final = 5.0
"""For the request to come and for the answer to go, each."""
_LONGEST_LINE: Final = 8 * 1024
_MOST_HEADERS: Final = 100
_PLAIN: Final = "text/plain; charset=utf-8"


@asynccontextmanager
async def metrics_endpoint(listen: str, metrics: Metrics) -> AsyncIterator[str]:
    """Serve until the block is left; yields host:port as bound. OSError when the port is taken
    or the address is not ours."""
    endpoint = _Endpoint(metrics)
    host, _, port = listen.rpartition(":")
    server = await asyncio.start_server(
        endpoint.serve, host.strip("[]"), int(port), limit=_LONGEST_LINE
    )
    try:
        yield f"{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await endpoint.close()


class _Endpoint:
    """The connections of one service."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task: asyncio.Task[None] | None = asyncio.current_task()
        if task is None or len(self._serving) >= _MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._serving.add(task)
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                answer = await self._answer(reader)
            writer.write(answer)
            async with asyncio.timeout(_REQUEST_SECONDS):
                await writer.drain()
        except (TimeoutError, ConnectionError):
            writer.transport.abort()
        finally:
            self._serving.discard(task)
            writer.close()

    async def close(self) -> None:
        """End what is open."""
        open_now = list(self._serving)
        for task in open_now:
            task.cancel()
        if open_now:
            await asyncio.wait(open_now)

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            method, path, headers = await _request(reader)
        except ValueError:
            return _response(HTTPStatus.BAD_REQUEST)
        if path != PATH:
            return _response(HTTPStatus.NOT_FOUND)
        if method != "GET":
            return _response(HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            body, content_type = self._metrics.exposition(headers.get("accept", ""))
        # The edge of a scrape: a collector with a bug must not end the service, and not in silence.
        except Exception:  # noqa: BLE001 - a supervised step
            _log.exception("metrics_failed")
            return _response(HTTPStatus.INTERNAL_SERVER_ERROR)
        return _response(HTTPStatus.OK, body, content_type)


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    """Method, path without its query, headers by lower-case name. ValueError when it is not
    HTTP, too long, or cut short."""
    method, target, version = (await _line(reader)).split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("not HTTP/1")
    headers: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = await _line(reader)
        if not line:
            return method, target.partition("?")[0], headers
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    raise ValueError("too many headers")


async def _line(reader: asyncio.StreamReader) -> str:
    line = await reader.readline()  # ValueError beyond the limit
    if not line.endswith(b"\n"):
        raise ValueError("cut short")
    return line.decode("latin-1").rstrip("\r\n")


def _response(status: HTTPStatus, body: bytes = b"", content_type: str = _PLAIN) -> bytes:
    body = body or f"{status.phrase}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
