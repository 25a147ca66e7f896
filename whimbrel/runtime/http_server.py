"""uvicorn inside our chassis: it gets a bound socket, no signals, and ends with the drain.

`run` is a task of the chassis, `stop` a step of its drain: no more connections, requests under
way are finished within the grace, then it returns.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from whimbrel.runtime.http_protocol import bounded_protocol
from whimbrel.runtime.http_tls import HttpTls

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application as ASGI has it."""

_BACKLOG = 512


@dataclass(frozen=True)
class HttpLimits:
    """What connections may cost."""

    head_seconds: float
    """For a request's line and headers, and for the first request of a connection."""
    idle_seconds: int
    """For which a connection without a request is kept."""
    max_connections: int
    """More are answered 503."""
    grace_seconds: float
    """For requests that are under way when the server is stopped."""
    settle_seconds: float = 0.0
    """Between the stop and refusing connections."""
    trusted_proxies: str = ""
    """Addresses whose X-Forwarded-For is believed, separated by commas."""


class _Server(uvicorn.Server):
    """Leaves the signals to `serve`, which drains first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """The HTTP server of one pod."""

    def __init__(
        self, app: App, listen: str, limits: HttpLimits, tls: HttpTls | None = None
    ) -> None:
        """Binds the port of `listen` (host:port); OSError when that cannot be."""
        self._settle_seconds = limits.settle_seconds
        self._socket = _bind(listen)
        host, port = self._socket.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        """host:port that was bound."""
        self._server = _Server(
            uvicorn.Config(
                app,
                http=bounded_protocol(limits.head_seconds),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(limits.trusted_proxies),
                forwarded_allow_ips=limits.trusted_proxies,
                limit_concurrency=limits.max_connections,
                timeout_keep_alive=limits.idle_seconds,
                # Below the step of the drain, so that what is cut is cut by the server.
                timeout_graceful_shutdown=max(1, int(limits.grace_seconds) - 1),
                backlog=_BACKLOG,
                ssl_context_factory=None if tls is None else (lambda *_: tls.context),
            )
        )
        self._ended = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._server.server_state.connections)

    def close(self) -> None:
        """Give the port back; for a server that was never run."""
        self._socket.close()

    async def run(self) -> None:
        """Serve until `stop`."""
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()
            self._ended.set()

    async def stop(self) -> None:
        """Finish what is under way; returns when `run` has."""
        await asyncio.sleep(self._settle_seconds)
        self._server.should_exit = True
        await self._ended.wait()


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host.strip("[]"), int(port)))
        bound.listen(_BACKLOG)  # at once: nobody is refused between here and `run`
    except OSError:
        bound.close()
        raise
    return bound
