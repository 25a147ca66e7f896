"""Controllers that contend for one lease, each with clocks of its own."""

from __future__ import annotations

from dataclasses import dataclass

from services.drain.ports import Leadership
from tests.component.drain.kube_world import Json, KubeWorld

LEASE = "whimbrel-drain"
SECONDS = 15.0
NOW = 1_800_000_000.0


@dataclass
class Clocks:
    """One controller's own: nobody else's agree with them."""

    monotonic: float = 1000.0
    wall: float = NOW

    def move(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


async def contender(
    world: KubeWorld, holder: str, clocks: Clocks | None = None, lease_seconds: float = SECONDS
) -> Leadership:
    own = clocks or Clocks()
    _, leadership = await world.open(
        holder=holder,
        lease_seconds=lease_seconds,
        clock=lambda: own.monotonic,
        wall_clock=lambda: own.wall,
    )
    return leadership


async def lease_of(world: KubeWorld) -> Json:
    return await world.get("leases", LEASE)
