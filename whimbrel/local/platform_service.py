"""PlatformService: the local platform over gRPC, for the drain controller."""

# ruff: noqa: N802 - the contract names the methods

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc

from whimbrel.api.platform.v1 import platform_pb2, platform_pb2_grpc
from whimbrel.core.errors import invalid
from whimbrel.local.errors import StackError
from whimbrel.local.leases import Leases
from whimbrel.local.platform import LocalPlatform
from whimbrel.runtime.channels import server_options
from whimbrel.runtime.interception import Admit, ErrorInterceptor

REPEAT_SECONDS: Final = 60.0
"""A watch in which nothing changes is told again, so that its reader knows that it lives."""
_COALESCE_SECONDS: Final = 0.05
_MAX_LEASES: Final = 16


class PlatformServicer(platform_pb2_grpc.PlatformServiceServicer):
    """See the proto."""

    def __init__(self, platform: LocalPlatform, leases: Leases, clock: Callable[[], float]) -> None:
        self._platform = platform
        self._leases = leases
        self._clock = clock

    async def WatchPlatform(
        self, request: platform_pb2.WatchPlatformRequest, context: Any
    ) -> AsyncIterator[platform_pb2.WatchPlatformResponse]:
        while True:
            changed = asyncio.ensure_future(self._platform.wait_changed())
            try:
                yield self._platform.view()
                await asyncio.wait((changed,), timeout=REPEAT_SECONDS)
                await asyncio.sleep(_COALESCE_SECONDS)
            finally:
                changed.cancel()

    async def ScaleWorkload(
        self, request: platform_pb2.ScaleWorkloadRequest, context: Any
    ) -> platform_pb2.ScaleWorkloadResponse:
        self._platform.scale(request.role, request.replicas)
        return platform_pb2.ScaleWorkloadResponse()

    async def RestartWorkload(
        self, request: platform_pb2.RestartWorkloadRequest, context: Any
    ) -> platform_pb2.RestartWorkloadResponse:
        revision = self._platform.restart(request.role, request.surge)
        return platform_pb2.RestartWorkloadResponse(revision=revision)

    async def DeletePod(
        self, request: platform_pb2.DeletePodRequest, context: Any
    ) -> platform_pb2.DeletePodResponse:
        self._platform.delete(request.pod_id)
        return platform_pb2.DeletePodResponse()

    async def MarkPod(
        self, request: platform_pb2.MarkPodRequest, context: Any
    ) -> platform_pb2.MarkPodResponse:
        self._platform.mark(
            request.pod_id,
            deletion_cost=request.deletion_cost if request.HasField("deletion_cost") else None,
            drain_wanted=request.drain_wanted if request.HasField("drain_wanted") else None,
        )
        return platform_pb2.MarkPodResponse()

    async def HoldLease(
        self, request: platform_pb2.HoldLeaseRequest, context: Any
    ) -> platform_pb2.HoldLeaseResponse:
        if not request.name or not request.holder:
            raise invalid("a lease needs a name and a holder")
        if request.name not in self._leases.names and len(self._leases.names) >= _MAX_LEASES:
            raise invalid(f"a local stack has at most {_MAX_LEASES} leases")
        lease = self._leases.hold(
            request.name,
            request.holder,
            request.duration_ms / 1000,
            request.min_term,
            self._clock(),
            round(time.time() * 1000),
        )
        return platform_pb2.HoldLeaseResponse(holder=lease.holder, term=lease.term)


@asynccontextmanager
async def serving(
    platform: LocalPlatform,
    address: str,
    *,
    leases: Leases | None = None,
    clock: Callable[[], float] = time.monotonic,
    credentials: grpc.ServerCredentials | None = None,
    admit: Admit | None = None,
) -> AsyncIterator[None]:
    """Serve it there, on loopback, with TLS where there are credentials, to whom `admit` admits;
    leases run out by `clock` (seconds). Raises StackError when the port is taken."""
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor(admit)], options=server_options(client_facing=False)
    )
    servicer = PlatformServicer(platform, leases or Leases(), clock)
    platform_pb2_grpc.add_PlatformServiceServicer_to_server(servicer, server)
    try:
        if credentials is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, credentials)
    except RuntimeError:
        raise StackError(f"the platform cannot listen on {address}: the port is taken") from None
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)
