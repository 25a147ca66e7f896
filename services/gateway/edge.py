"""The outer edge of the application: bounds each request, and catches what nobody else does.

A body that is too large, or a request that takes too long, is refused in our form; an error that
is ours is logged once and leaves as INTERNAL with its detail hidden. Pure ASGI, so that a body
is counted while it comes and never collected beyond its bound.
"""

from __future__ import annotations

import asyncio
from typing import Final

from services.gateway.errors import error_response
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.http_server import App, Message, Receive, Scope, Send
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_HIDDEN: Final = "internal error"


class Edge:
    """Wraps the application. One per process."""

    def __init__(self, app: App, *, max_body_bytes: int, request_seconds: float) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._request_seconds = request_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
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
        # The edge: what is not ours to explain is hidden, and its traceback logged once.
        except Exception as error:  # noqa: BLE001 - the edge
            refusal = _unexpected(error, scope)
        else:
            return
        if not answer.has_begun:
            await error_response(refusal)(scope, receive, send)


class _Answer:
    """Whether an answer has begun: then there is no other."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def send(self, message: Message) -> None:
        self.has_begun = True
        await self._send(message)


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


def _unexpected(error: Exception, scope: Scope) -> WhimbrelError:
    _log.error("request_failed", method=scope["method"], path=scope["path"], exc_info=error)
    return WhimbrelError(ErrorCode.INTERNAL, _HIDDEN, outcome_unknown=True)
