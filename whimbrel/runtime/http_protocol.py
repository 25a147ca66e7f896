"""uvicorn's connection, with bounds on what comes before a request is one.

uvicorn bounds neither the time nor the size of a request's head: a connection that says nothing,
or says a header without end, would hold its place and its memory for ever. Bodies are bounded by
the application's edge.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 * 1024
"""Of a request line and its headers, as it comes in; beyond it the connection is closed."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A subclass says how long a head may take."""

    head_seconds: ClassVar[float]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there: its first request has to come."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is waited for."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not complete."""
        if self._deadline is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._deadline is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._give_up()

    def on_message_begin(self) -> None:
        """The parser has met the first byte of a request."""
        if self._deadline is None:  # not the first of this connection
            self._begin_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """From here on the application's bounds hold."""
        self._end_head()
        super().on_headers_complete()

    def _begin_head(self) -> None:
        self._head_bytes = 0
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self.head_seconds, self._give_up)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._end_head()
        self.transport.close()


def bounded_protocol(head_seconds: float) -> type[BoundedProtocol]:
    """The connections of a server whose clients have so many seconds for a head."""
    return type("ServerProtocol", (BoundedProtocol,), {"head_seconds": head_seconds})
