"""Questions to another pod over one long stream: a frame each way, and the answers in order.

A call of its own costs three times as much, on both sides. A pod of an older version knows no
such stream: it gets calls. Nothing is tried twice here; a stream that broke is opened again by
the next question.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

import grpc

from whimbrel.core.errors import unavailable
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.errors import error_from_rpc

Q = TypeVar("Q")
A = TypeVar("A")

CALLS_SECONDS: Final = 10.0
"""For so long calls are made before the stream is tried again: pods are being replaced."""
_UNKNOWN_THERE: Final = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL)
"""INTERNAL is what gRPC says of a write to a stream that has ended already: its status is lost."""
_BROKEN: Final = (grpc.aio.BaseError, asyncio.InvalidStateError, TimeoutError)


class QuestionStream(Generic[Q, A]):
    """One question at a time: whoever asks has a batch, and waits."""

    # What the stubs call the stream and the call exists in the stubs alone.
    def __init__(
        self,
        open_stream: Callable[[], Any],
        call: Callable[..., Awaitable[A]],
        *,
        framed: Callable[[Q], Any],
        answer_in: Callable[[Any], A],
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`open_stream` and `call` are methods of a stub; `framed` and `answer_in` put a question
        into a frame of the stream and take its answer out of one. `timeout_seconds`: for one
        answer."""
        self._open = open_stream
        self._call = call
        self._framed = framed
        self._answer_in = answer_in
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._stream: Any = None
        self._calls_until = float("-inf")

    async def ask(self, question: Q) -> A:
        """Raises WhimbrelError; what was asked for may have been done all the same."""
        try:
            if self._clock() >= self._calls_until:
                try:
                    return await self._over_stream(question)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in _UNKNOWN_THERE:
                        raise
                self._calls_until = self._clock() + CALLS_SECONDS
            return await self._call(question, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            check_cancelled()
            raise error_from_rpc(error) from error

    async def _over_stream(self, question: Q) -> A:
        if self._stream is None or self._stream.done():
            self._stream = self._open()
        stream = self._stream
        response = grpc.aio.EOF
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await stream.write(self._framed(question))
                response = await stream.read()
        except grpc.aio.AioRpcError:
            raise
        except _BROKEN as error:
            raise unavailable("the other pod does not answer", outcome_unknown=True) from error
        finally:
            if response is grpc.aio.EOF:
                self.close()
        if response is grpc.aio.EOF:
            raise unavailable("the other pod has ended the stream", outcome_unknown=True)
        return self._answer_in(response)

    def close(self) -> None:
        """End the stream. Harmless twice."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()
