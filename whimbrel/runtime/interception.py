"""The server's edge: what a handler raises becomes a status, and never more than that.

A WhimbrelError leaves with its code; anything else is INTERNAL, its detail hidden and its
traceback logged once. This is the one place that catches everything.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc

from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.runtime.call_load import CallLoad
from whimbrel.runtime.errors import STATUS_OF, trailing_metadata
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

if TYPE_CHECKING:  # generic only in the stubs
    # The handlers of all methods pass through here, so requests and responses can be anything.
    _Handler = grpc.RpcMethodHandler[Any, Any]
    _Context = grpc.aio.ServicerContext[Any, Any]
    _Details = grpc.HandlerCallDetails

Admit = Callable[[str, "_Context"], None]
"""Given the method's path ("/package.Service/Method") and the call; raises when it may not be."""


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler, and counts those that run: `server.stop` does not wait for them."""

    def __init__(self, admit: Admit | None = None) -> None:
        """`admit` is asked before each call; None: whoever connects may call."""
        self._admit = admit
        self.refused: Counter[ErrorCode] = Counter()
        """Calls that ended with an error, by its code."""
        self.load = CallLoad()
        """Of the unary ones."""
        self._wrapped: dict[str, _Handler] = {}
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def intercept_service(
        self,
        continuation: Callable[[_Details], Awaitable[_Handler | None]],
        handler_call_details: _Details,
    ) -> _Handler | None:
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[method] = self._wrap(handler, method)
        return wrapped

    def _wrap(self, handler: _Handler, method: str) -> _Handler:
        """Once for each method: a stream would keep one of its own for as long as it lives."""
        kind = (
            f"{'stream' if handler.request_streaming else 'unary'}_"
            f"{'stream' if handler.response_streaming else 'unary'}"
        )
        inner = getattr(handler, kind)
        guarded: Callable[[Any, _Context], Any]
        if kind == "unary_unary":
            guarded = self.load.measured(self._coroutine(inner, method), method)
        elif handler.response_streaming and inspect.isasyncgenfunction(inner):
            guarded = self._generator(inner, method)
        else:
            guarded = self._coroutine(inner, method)
        build = getattr(grpc, f"{kind}_rpc_method_handler")
        rebuilt: _Handler = build(
            guarded, handler.request_deserializer, handler.response_serializer
        )
        return rebuilt

    async def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until no handler runs any more; False when some still do after the time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _coroutine(
        self, inner: Callable[[Any, _Context], Awaitable[Any]], method: str
    ) -> Callable[[Any, _Context], Awaitable[Any]]:
        async def handle(request: Any, context: _Context) -> Any:
            self._enter()
            try:
                if self._admit is not None:
                    self._admit(method, context)
                return await inner(request, context)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the edge
                await self._abort(error, context, method)
            finally:
                self._leave()

        return handle

    def _generator(
        self, inner: Callable[[Any, _Context], AsyncGenerator[Any, None]], method: str
    ) -> Callable[[Any, _Context], AsyncGenerator[Any, None]]:
        async def handle(request: Any, context: _Context) -> AsyncGenerator[Any, None]:
            self._enter()
            try:
                if self._admit is not None:
                    self._admit(method, context)
                async with aclosing(inner(request, context)) as responses:
                    async for response in responses:
                        yield response
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the edge
                await self._abort(error, context, method)
            finally:
                self._leave()

        return handle

    def _enter(self) -> None:
        self._running += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._running -= 1
        if self._running == 0:
            self._idle.set()

    async def _abort(self, error: BaseException, context: _Context, method: str) -> None:
        """End the call with the status of `error`; returns only when there is nobody to tell."""
        if isinstance(error, grpc.aio.AbortError):
            raise error
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise error  # the call itself is over
            # Something inside was cancelled. Raised on, it would leave the client hanging.
            error = unavailable("a part of the call was cancelled", outcome_unknown=True)
        if isinstance(error, BaseExceptionGroup):
            error = _single(error)
        if isinstance(error, grpc.aio.InternalError) and (context.cancelled() or context.done()):
            return  # written to a peer that is gone
        if not isinstance(error, WhimbrelError):
            _log.error("call_failed", method=method, exc_info=error)
            error = WhimbrelError(ErrorCode.INTERNAL, "internal error", outcome_unknown=True)
        self.refused[error.code] += 1
        await context.abort(STATUS_OF[error.code], error.detail, trailing_metadata(error))


def _single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The only error of a TaskGroup that raised just one, else the group."""
    inner: BaseException = group
    while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    return inner
