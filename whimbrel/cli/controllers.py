"""Finds the drain controllers of a stack, and asks the one that leads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from whimbrel.cli.edge import CommandError

if TYPE_CHECKING:
    from whimbrel.api.drain.v1 import drain_pb2, drain_pb2_grpc

T = TypeVar("T")

CALL_SECONDS = 15.0
FIND_SECONDS = 15.0
"""As long as a lease holds: after a leader's death another one is there by then."""
_RETRY_SECONDS = 0.5


async def ask_leader(
    routers: str,
    ask: Callable[[drain_pb2_grpc.DrainServiceStub], Awaitable[T]],
) -> T:
    """The leader's answer to a request that is safe to repeat.

    `routers` is host:port[,host:port]. Each controller is tried, again for a while when none
    leads. Raises WhimbrelError for what the leader refuses, CommandError when there is none.
    """
    import asyncio
    import time

    import grpc

    from whimbrel.core.errors import ErrorCode, WhimbrelError
    from whimbrel.runtime.errors import error_from_rpc

    give_up_at = time.monotonic() + FIND_SECONDS
    while True:
        reason = "none is registered"
        for address in await controller_addresses(routers):
            async with _stub(address) as stub:
                try:
                    return await ask(stub)
                except grpc.aio.AioRpcError as failure:
                    error = error_from_rpc(failure)
                except WhimbrelError as refusal:
                    error = refusal
            if error.code is not ErrorCode.UNAVAILABLE:
                raise error
            reason = error.detail
        if time.monotonic() >= give_up_at:
            raise CommandError(
                f"no drain controller leads ({reason}): `whimbrel pods` shows which there are"
            )
        await asyncio.sleep(_RETRY_SECONDS)


async def watch_leader(routers: str) -> AsyncIterator[drain_pb2_grpc.DrainServiceStub]:
    """A stub of the leader, and of the next one whenever the caller asks again. For watches."""
    import asyncio

    while True:
        for address in await controller_addresses(routers):
            async with _stub(address) as stub:
                if await _leads(stub):
                    yield stub
        await asyncio.sleep(_RETRY_SECONDS)


async def controller_addresses(routers: str) -> list[str]:
    """Where the drain pods are, as the Router knows them."""
    from whimbrel.api.router.v1 import router_pb2
    from whimbrel.local.cluster import list_pods

    pods: Iterable[router_pb2.Pod] = await list_pods(routers)
    return [pod.address for pod in pods if pod.role == router_pb2.POD_ROLE_DRAIN and pod.address]


async def plans_of(stub: drain_pb2_grpc.DrainServiceStub) -> drain_pb2.ListPlansResponse:
    """The plans of the controller behind this stub; raises UNAVAILABLE unless it leads."""
    from whimbrel.api.drain.v1 import drain_pb2
    from whimbrel.core.errors import unavailable

    plans = await stub.ListPlans(drain_pb2.ListPlansRequest(), timeout=CALL_SECONDS)
    if not plans.leads:
        raise unavailable("this drain controller does not lead")
    return plans


async def _leads(stub: drain_pb2_grpc.DrainServiceStub) -> bool:
    import grpc

    from whimbrel.core.errors import WhimbrelError

    try:
        await plans_of(stub)
    except (grpc.aio.AioRpcError, WhimbrelError):
        return False
    return True


@asynccontextmanager
async def _stub(address: str) -> AsyncIterator[drain_pb2_grpc.DrainServiceStub]:
    from whimbrel.api.drain.v1 import drain_pb2_grpc
    from whimbrel.runtime.channels import open_channel

    async with open_channel(address) as channel:
        yield drain_pb2_grpc.DrainServiceStub(channel)
