"""Every kind of platform that the contract suite runs on, each with what a test may do to it.

To plug an adapter in, add a function to WORLDS that opens it with two ready pods of the role
"access" and closes it again. A platform that stops real processes may take its time: the suite
waits for what it expects, at most PATIENCE_SECONDS.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from services.drain.ports import Leadership, Platform
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


WORLDS: Final[dict[str, OpenWorld]] = {"memory": memory_world}
