"""Every kind of platform that the contract suite runs on, each with what a test may do to it.

To plug an adapter in, add a function to WORLDS that opens it with two ready pods of the role
"access" and closes it again. A platform that stops real processes may take its time: the suite
waits for what it expects, at most PATIENCE_SECONDS.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from services.drain.adapters.platform_local import LocalLeadership, LocalPlatformClient
from services.drain.ports import Leadership, Platform
from tests.local.small_platform import small_platform
from whimbrel.api.platform.v1 import platform_pb2, platform_pb2_grpc
from whimbrel.local.leases import Leases
from whimbrel.local.platform_service import serving
from whimbrel.local.ports import Ports
from whimbrel.runtime.channels import open_channel
from whimbrel.testing.memory_platform import MemoryLeadership, MemoryLease, MemoryPlatform

PATIENCE_SECONDS: Final = 20.0


@dataclass
class PlatformWorld:
    """One platform and its surroundings."""

    platform: Platform
    leadership: Callable[[str], Leadership]
    """A candidate of this name for the one lease of this world."""
    want_drained: Callable[[str, bool], Awaitable[None]]
    """Somebody cordons the pod's node, or annotates the pod; or takes that back."""
    break_watches: Callable[[], Awaitable[None]]
    """Cut off whoever watches; new watches work."""
    let_lease_pass: Callable[[], Awaitable[None]]
    """Time goes by until a lease that nobody renews has run out."""
    lose_lease: Callable[[], Awaitable[None]]
    """The lease object is deleted, or its keeper is started again."""


OpenWorld = Callable[[], AbstractAsyncContextManager[PlatformWorld]]


@asynccontextmanager
async def memory_world() -> AsyncIterator[PlatformWorld]:
    platform = MemoryPlatform()
    platform.add_workload("access", 2)
    now = [1000.0]
    lease = MemoryLease(lambda: now[0], lambda: 1_800_000_000.0 + now[0])

    async def want_drained(pod_id: str, is_wanted: bool) -> None:
        platform.change(pod_id, drain_wanted=is_wanted)

    async def break_watches() -> None:
        platform.break_watches()

    async def let_lease_pass() -> None:
        now[0] += lease.duration_seconds + 1

    async def lose_lease() -> None:
        lease.forget()

    yield PlatformWorld(
        platform,
        lambda holder: MemoryLeadership(lease, holder),
        want_drained,
        break_watches,
        let_lease_pass,
        lose_lease,
    )


@asynccontextmanager
async def local_world() -> AsyncIterator[PlatformWorld]:
    """The supervisor of a local stack, with pods that only sleep, over gRPC."""
    with TemporaryDirectory() as folder, closing(Ports()) as ports:
        async with small_platform(Path(folder)) as small, AsyncExitStack() as stack:
            address = f"127.0.0.1:{ports.take()}"
            now = [1000.0]
            served = AsyncExitStack()
            stack.push_async_callback(served.aclose)
            channel = await stack.enter_async_context(open_channel(address))
            stub = platform_pb2_grpc.PlatformServiceStub(channel)

            async def serve(leases: Leases) -> None:
                """Again, on the same port, with what it remembers."""
                await served.aclose()
                await served.enter_async_context(
                    serving(small.platform, address, leases=leases, clock=lambda: now[0])
                )
                await channel.channel_ready()

            async def want_drained(pod_id: str, is_wanted: bool) -> None:
                await stub.MarkPod(
                    platform_pb2.MarkPodRequest(pod_id=pod_id, drain_wanted=is_wanted)
                )

            async def let_lease_pass() -> None:
                now[0] += _LEASE_SECONDS + 1

            leases = Leases()
            await serve(leases)
            yield PlatformWorld(
                LocalPlatformClient(stub),
                lambda holder: LocalLeadership(stub, "drain", holder, _LEASE_SECONDS),
                want_drained,
                lambda: serve(leases),
                let_lease_pass,
                lambda: serve(Leases()),
            )


_LEASE_SECONDS: Final = 15.0

WORLDS: Final[dict[str, OpenWorld]] = {"memory": memory_world, "local": local_world}
