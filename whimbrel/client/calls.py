"""The unary calls beside the stream: groups and their members.

Each call has a connection of its own; they are rare, and a stream that ends must not take them
with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc

from whimbrel.api.access.v1 import access_pb2_grpc
from whimbrel.client.endpoints import Endpoints, open_channel
from whimbrel.client.tokens import TokenSource
from whimbrel.client.transport import Transport
from whimbrel.core.errors import ErrorCode, WhimbrelError

A = TypeVar("A")

_FIRST_RETRY_SECONDS: Final = 0.2
_LONGEST_RETRY_SECONDS: Final = 2.0
_CODES: Final = {
    grpc.StatusCode.UNAVAILABLE: ErrorCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED: ErrorCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ErrorCode.OVERLOADED,
    grpc.StatusCode.UNAUTHENTICATED: ErrorCode.UNAUTHENTICATED,
    grpc.StatusCode.INVALID_ARGUMENT: ErrorCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND: ErrorCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED: ErrorCode.NOT_FOUND,
    grpc.StatusCode.DEADLINE_EXCEEDED: ErrorCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.PERMISSION_DENIED: ErrorCode.PERMISSION_DENIED,
}
"""For a status that no Whimbrel pod has set: from the transport, or a proxy."""
_WORTH_A_RETRY: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)

Metadata = tuple[tuple[str, str], ...]
Invoke = Callable[["access_pb2_grpc.AccessServiceStub", Metadata], Awaitable[A]]


class Calls:
    """Makes unary calls with the client's token, again while the server says so."""

    def __init__(
        self,
        endpoints: Endpoints,
        tokens: TokenSource,
        transport: Transport,
    ) -> None:
        self._endpoints = endpoints
        self._tokens = tokens
        self._transport = transport

    async def call(self, invoke: Invoke[A], timeout_seconds: float) -> A:
        """The answer. WhimbrelError as the server raised it, or DEADLINE_EXCEEDED. `invoke` may
        be called several times, so the request has to be repeatable."""
        last: WhimbrelError | None = None
        wait = _FIRST_RETRY_SECONDS
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    try:
                        return await self._call_once(invoke)
                    except grpc.aio.AioRpcError as error:
                        last = error_from_status(error)
                    if last.retry_after_seconds is None:
                        raise last
                    await asyncio.sleep(max(wait, last.retry_after_seconds))
                    wait = min(2 * wait, _LONGEST_RETRY_SECONDS)
        except TimeoutError:
            detail = f"no answer in {timeout_seconds} s" + (f"; last: {last}" if last else "")
            raise WhimbrelError(ErrorCode.DEADLINE_EXCEEDED, detail, outcome_unknown=True) from None

    async def _call_once(self, invoke: Invoke[A]) -> A:
        token = await self._tokens.current()
        async with open_channel(self._endpoints.current, self._transport) as channel:
            stub = access_pb2_grpc.AccessServiceStub(channel)
            return await invoke(stub, (("authorization", f"Bearer {token}"),))


def error_from_status(error: grpc.aio.AioRpcError) -> WhimbrelError:
    """The error that the server raised (its trailing metadata carries the code), or the nearest
    one when the call did not get through."""
    carried = dict(error.trailing_metadata() or ())
    name, after = carried.get("whimbrel-code"), carried.get("whimbrel-retry-after-ms")
    detail = error.details() or error.code().name
    if isinstance(name, str) and name in ErrorCode.__members__:
        return WhimbrelError(
            ErrorCode[name],
            detail,
            retry_after_seconds=int(after) / 1000 if after is not None else None,
            outcome_unknown=carried.get("whimbrel-outcome-unknown") == "1",
        )
    retry = _FIRST_RETRY_SECONDS if error.code() in _WORTH_A_RETRY else None
    code = _CODES.get(error.code(), ErrorCode.INTERNAL)
    return WhimbrelError(code, detail, retry_after_seconds=retry, outcome_unknown=True)
