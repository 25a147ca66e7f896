"""Where users are, asked of the Router: one frame for a whole batch, never from a cache.

The questions go over one long stream, because a call of its own costs three times as much. A
stream that broke is opened again by the next question; the question itself is the caller's to
repeat. A Router from before there was a stream is asked by calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc

from services.logic.domain.signals import Whereabout
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import unavailable
from whimbrel.runtime.errors import error_from_rpc

MAX_USERS = 5000
CALLS_SECONDS = 30.0
"""For how long a Router that knows no stream is asked by calls, until another is tried."""

# What the stubs call the stream exists in the stubs alone.
_Call = Any


class GrpcLocator:
    """The ports Locator and Whereabouts. One question at a time: whoever asks does it for a batch
    and waits, so fan-out and signals have one each."""

    def __init__(
        self, router: router_pb2_grpc.RouterServiceStub, *, timeout_seconds: float = 2.0
    ) -> None:
        self._router = router
        self._timeout_seconds = timeout_seconds
        self._call: _Call = None
        self._asking = asyncio.Lock()
        self._calls_until = float("-inf")

    async def locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        """See services.logic.ports.Locator."""
        found = await self._routes(users)
        return {user: list({route.pod_id for route in one.routes}) for user, one in found.items()}

    async def whereabouts(self, users: Sequence[str]) -> dict[str, list[Whereabout]]:
        """See services.logic.signal_ports.Whereabouts."""
        found = await self._routes(users)
        return {
            user: [
                Whereabout(route.pod_id, route.platform)
                for route in one.routes
                if not route.is_left
            ]
            for user, one in found.items()
        }

    async def _routes(self, users: Sequence[str]) -> dict[str, router_pb2.UserRoutes]:
        routes: dict[str, router_pb2.UserRoutes] = {}
        async with self._asking:
            for first in range(0, len(users), MAX_USERS):
                part = users[first : first + MAX_USERS]
                found = await self._ask(router_pb2.LocateRequest(user_ids=part))
                routes |= zip(part, found.users, strict=True)
        return routes

    async def _ask(self, request: router_pb2.LocateRequest) -> router_pb2.LocateResponse:
        clock = asyncio.get_running_loop().time
        try:
            if clock() >= self._calls_until:
                return await self._ask_on_stream(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise error_from_rpc(error) from error
            self._calls_until = clock() + CALLS_SECONDS
        try:
            return await self._router.Locate(request, timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from error

    async def _ask_on_stream(self, request: router_pb2.LocateRequest) -> router_pb2.LocateResponse:
        answered = False
        try:
            if self._call is None:
                self._call = self._router.LocateStream()
            async with asyncio.timeout(self._timeout_seconds):
                await self._call.write(router_pb2.LocateStreamRequest(locate=request))
                response = await self._call.read()
            if not isinstance(response, router_pb2.LocateStreamResponse):
                raise unavailable("the Router has ended the stream")
            answered = True
        except grpc.aio.AioRpcError:
            raise
        except (grpc.aio.BaseError, asyncio.InvalidStateError, TimeoutError) as error:
            raise unavailable("the Router does not answer") from error
        finally:
            if not answered:
                self.close()
        return response.located

    def close(self) -> None:
        """End the stream; the next question opens another."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
