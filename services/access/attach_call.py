"""Batches of attaches at the Router: one frame each way on one long stream.

A call of its own costs three times as much, on both sides. A Router of an older version has no
such stream: it gets calls. Nothing is tried twice here: the caller asks again, which is harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc

from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import unavailable
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.errors import error_from_rpc

_ANSWER_SECONDS: Final = 3.0
_OLD_ROUTER_SECONDS: Final = 10.0
"""For so long calls are made before the stream is tried again: Routers are being replaced."""
_BROKEN = (grpc.aio.BaseError, asyncio.InvalidStateError, TimeoutError)

# What the stubs call the stream exists in the stubs alone.
_Stream = Any


class AttachCall:
    """One question at a time: whoever asks has a batch, and waits."""

    def __init__(
        self, router: router_pb2_grpc.RouterServiceStub, *, clock: Callable[[], float]
    ) -> None:
        self._router = router
        self._clock = clock
        self._stream: _Stream = None
        self._calls_until = 0.0

    async def ask(self, sessions: Sequence[router_pb2.Session]) -> list[router_pb2.Attachment]:
        """As many attachments as sessions, in their order. Raises WhimbrelError; the attaches may
        have been made all the same."""
        request = router_pb2.AttachRequest(sessions=sessions)
        try:
            if self._clock() < self._calls_until:
                answer = await self._router.Attach(request, timeout=_ANSWER_SECONDS)
            else:
                answer = await self._over_stream(request)
        except grpc.aio.AioRpcError as error:
            check_cancelled()
            raise error_from_rpc(error) from None
        if len(answer.attachments) != len(sessions):
            raise unavailable("the Router did not answer for every session")
        return list(answer.attachments)

    async def _over_stream(self, request: router_pb2.AttachRequest) -> router_pb2.AttachResponse:
        if self._stream is None or self._stream.done():
            self._stream = self._router.AttachStream()
        stream = self._stream
        response = None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await stream.write(router_pb2.AttachStreamRequest(attach=request))
                response = await stream.read()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            self._calls_until = self._clock() + _OLD_ROUTER_SECONDS
            return await self._router.Attach(request, timeout=_ANSWER_SECONDS)
        except _BROKEN:
            raise unavailable("the Router does not answer", outcome_unknown=True) from None
        finally:
            if not isinstance(response, router_pb2.AttachStreamResponse):
                self.close()
        if not isinstance(response, router_pb2.AttachStreamResponse):
            raise unavailable("the Router has ended the stream", outcome_unknown=True)
        return response.attached

    def close(self) -> None:
        """End the stream; the next question opens another."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()
