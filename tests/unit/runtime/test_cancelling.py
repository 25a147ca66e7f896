"""A loop that dials again ends when it is cancelled, even when grpc keeps the cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from whimbrel.api.router.v1 import router_pb2
from whimbrel.runtime.registration import Registration

_UNAVAILABLE = grpc.aio.AioRpcError(
    grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata()
)


class SwallowingRouter:
    """Answers as grpc.aio does when a call is cancelled while it is set up: with a status."""

    def __init__(self) -> None:
        self.calls = 0

    async def _set_up(self) -> None:
        self.calls += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise _UNAVAILABLE from None

    async def Register(  # noqa: N802 - as in the contract
        self, request: object, *, timeout: float
    ) -> router_pb2.RegisterResponse:
        await self._set_up()
        return router_pb2.RegisterResponse()

    async def WatchPods(  # noqa: N802 - as in the contract
        self, request: object
    ) -> AsyncIterator[router_pb2.WatchPodsResponse]:
        await self._set_up()
        yield router_pb2.WatchPodsResponse()


@pytest.mark.timeout(20)
async def test_a_registration_that_is_cancelled_while_it_dials_ends() -> None:
    router = SwallowingRouter()
    registration = Registration(router, router_pb2.Pod, watch_roles=(), load_interval_seconds=1.0)  # type: ignore[arg-type]
    running = asyncio.create_task(registration.run())
    while router.calls < 2:
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait((running,), timeout=5)
    assert done
    assert running.cancelled()
    assert router.calls == 2, "nothing was dialled again"
