"""What the Router needs from a store. It speaks the contract's own messages: the directory is
what that contract describes, and Locate has no time to convert.

Every method raises WhimbrelError UNAVAILABLE when the store does not answer: never an empty
answer, because "offline" would be a lie (rule 11). Batches keep their order, also for repeats
of one device within a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from whimbrel.api.router.v1 import router_pb2


class Lease(NamedTuple):
    """The answer to a registration."""

    was_known: bool
    """Whether this incarnation held an unexpired lease before."""
    registry_id: str


class Registry(NamedTuple):
    """The pods with a live lease, by pod_id, and the life of the store they are in."""

    registry_id: str
    pods: tuple[router_pb2.Pod, ...]


class Directory(Protocol):
    """Leases of pods, routes of users."""

    async def register(self, pod: router_pb2.Pod) -> Lease:
        """Write the pod with a fresh lease; another incarnation of the same pod is replaced."""
        ...

    async def unregister(self, pod_id: str, incarnation: str) -> None:
        """Remove the pod, if it is still this incarnation."""
        ...

    async def registry(self) -> Registry:
        """Who holds a lease now."""
        ...

    async def attach(self, sessions: Sequence[router_pb2.Session]) -> list[router_pb2.Attachment]:
        """Give each session a new epoch and the route, unless rule 14 forbids it.

        With a platform_limit, which is kept in the same step: the devices with the lowest epochs
        lose their routes and are named in `kicked`, or the session is refused (`over_limit`; no
        previous one is named then). An instance that was kicked is refused too, for as long as
        a route lives that nobody asserts; then the previous instance is itself.
        """
        ...

    async def reassert(self, sessions: Sequence[router_pb2.Session]) -> list[router_pb2.Assertion]:
        """Write each route again unless a higher epoch holds it; answer who holds it.

        A device that was kicked, or that stands behind as many newer ones of its platform as the
        limit permits, loses its place: a higher epoch that no instance holds.
        """
        ...

    async def detach(self, sessions: Sequence[router_pb2.Session]) -> None:
        """Remove each route that still has the session's epoch."""
        ...

    async def locate(self, user_ids: Sequence[str]) -> list[router_pb2.UserRoutes]:
        """The unexpired routes of each user."""
        ...
