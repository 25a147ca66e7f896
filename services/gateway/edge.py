"""The outer edge of the application: bounds each request, and catches what nobody else does.

A body that is too large, or a request that takes too long, is refused in our form; an error that
is ours is logged once and leaves as INTERNAL with its detail hidden. Pure ASGI, so that a body
is counted while it comes and never collected beyond its bound. Transfers of media have no bound on
the whole, they are streams; theirs is on the time without a byte.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from services.gateway.errors import error_response
from services.gateway.metrics import CUT_OFF, HttpLoad
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.http_server import App, Message, Receive, Scope, Send
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_HIDDEN: Final = "internal error"
_TRANSFERS: Final = "/v1/media"
_LINGER_BYTES: Final = 4 * 1024 * 1024
"""Of a body that was refused, what is still taken, so that the client gets to read why: whoever
closes on bytes in flight takes the answer back with them. Beyond it the connection is closed."""


class Edge:
    """Wraps the application. One per process."""

    def __init__(
        self,
        app: App,
        *,
        max_body_bytes: int,
        request_seconds: float,
        stall_seconds: float = 30.0,
        load: HttpLoad | None = None,
    ) -> None:
        self._app = app
        self._load = load or HttpLoad()
        self._stall_seconds = stall_seconds
        self._max_body_bytes = max_body_bytes
        self._request_seconds = request_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        clock = asyncio.get_running_loop().time
        began = clock()
        self._load.under_way += 1
        try:
            await self._serve(scope, receive, answer)
        finally:
            self._load.under_way -= 1
            seconds = None if _is_transfer(scope) else clock() - began
            self._load.answered(scope["method"], answer.status, seconds)

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            if _is_transfer(scope):
                deadline = asyncio.timeout(None)
                stalls = _Stalls(receive, answer.send, self._stall_seconds)
                await self._app(scope, stalls.receive, stalls.send)
                return
            async with asyncio.timeout(self._request_seconds) as deadline:
                await self._app(scope, _Counted(receive, scope, self._max_body_bytes), answer.send)
        except TimeoutError as error:
            if not deadline.expired():
                refusal = _unexpected(error, scope)
            else:
                refusal = WhimbrelError(
                    ErrorCode.DEADLINE_EXCEEDED,
                    f"not done within {self._request_seconds:g} s",
                    outcome_unknown=True,
                )
        except WhimbrelError as error:
            refusal = error
        except _ReaderStalledError:
            return  # the server closes a connection whose answer was not ended
        # The edge: what is not ours to explain is hidden, and its traceback logged once.
        except Exception as error:  # noqa: BLE001 - the edge
            refusal = _unexpected(error, scope)
        else:
            return
        if not answer.has_begun:
            await error_response(refusal)(scope, receive, answer.send)


class _Answer:
    """Whether an answer has begun: then there is no other. And its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False
        self.status = CUT_OFF

    async def send(self, message: Message) -> None:
        self.has_begun = True
        self.status = message.get("status", self.status)
        await self._send(message)


class _ReaderStalledError(Exception):
    """The client takes nothing any more of an answer that has begun: there is nothing to say."""


class _Stalls:
    """Waits so long for the next bytes, in either direction, and not longer."""

    def __init__(self, receive: Receive, send: Send, seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._seconds = seconds
        self._is_over = False
        self._has_stalled = False

    async def receive(self) -> Message:
        """The next part of the body. Behind its end a client is only listened to, and may be
        silent while it reads."""
        if self._is_over:
            return await self._receive()
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._receive()
        except TimeoutError:
            self._has_stalled = True
            raise WhimbrelError(
                ErrorCode.DEADLINE_EXCEEDED, f"no byte in {self._seconds:g} s"
            ) from None
        self._is_over = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """The next part of the answer, once the client has taken enough of those before."""
        if message["type"] == "http.response.start" and not self._is_over:
            await self._linger()
            if not self._is_over:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
        except TimeoutError:
            raise _ReaderStalledError from None

    async def _linger(self) -> None:
        """Take what comes of a body that nobody wants, up to a bound of bytes and of time."""
        taken = 0
        with suppress(TimeoutError, WhimbrelError):
            async with asyncio.timeout(self._seconds):
                while not self._is_over and not self._has_stalled and taken < _LINGER_BYTES:
                    taken += len((await self.receive()).get("body", b""))


class _Counted:
    """Receives a body up to its bound; raises BODY_TOO_LARGE beyond it."""

    def __init__(self, receive: Receive, scope: Scope, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._left = limit
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        self._is_too_large = declared.isdigit() and int(declared) > limit

    async def __call__(self) -> Message:
        message = {} if self._is_too_large else await self._receive()
        self._left -= len(message.get("body", b""))
        if self._is_too_large or self._left < 0:
            raise WhimbrelError(
                ErrorCode.BODY_TOO_LARGE, f"a body has at most {self._limit:,} bytes"
            )
        return message


def _is_transfer(scope: Scope) -> bool:
    path: str = scope["path"]
    return path == _TRANSFERS or path.startswith(f"{_TRANSFERS}/")


def _unexpected(error: Exception, scope: Scope) -> WhimbrelError:
    _log.error("request_failed", method=scope["method"], path=scope["path"], exc_info=error)
    return WhimbrelError(ErrorCode.INTERNAL, _HIDDEN, outcome_unknown=True)
