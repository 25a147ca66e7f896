"""Where users are, read where the Router writes it: one round trip for a whole batch, and no hop.

The Router's directory names the life of its Redis, in Redis and in the answer to every
registration. Only when both agree do these routes count; else (another Redis, one that was
flushed a moment ago, a Router of another version) the Router itself is asked. Never a cache
(rule 10), and what fails here never means offline (rule 11).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from services.logic.adapters.locator_grpc import MAX_USERS, GrpcLocator
from services.logic.domain.signals import Whereabout
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.route import StoredRoute
from whimbrel.runtime.route_reading import read_routes


class RedisLocator:
    """The ports Locator and Whereabouts."""

    def __init__(
        self,
        redis: Redis,
        router: GrpcLocator,
        registry_id: Callable[[], str | None],
        *,
        timeout_seconds: float = 1.0,
    ) -> None:
        """`registry_id`: the life of the directory's Redis as the Router says; None before it
        has said so. `timeout_seconds`: for one round trip."""
        self._redis = redis
        self._router = router
        self._registry_id = registry_id
        self._timeout_seconds = timeout_seconds

    async def locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        """See services.logic.ports.Locator."""
        found = await self._read(users)
        if found is None:
            return await self._router.locate(users)
        return {user: list({route.pod_id for route in routes}) for user, routes in found.items()}

    async def whereabouts(self, users: Sequence[str]) -> dict[str, list[Whereabout]]:
        """See services.logic.signal_ports.Whereabouts."""
        found = await self._read(users)
        if found is None:
            return await self._router.whereabouts(users)
        return {
            user: [Whereabout(one.pod_id, one.platform) for one in routes if not one.is_left]
            for user, routes in found.items()
        }

    async def _read(self, users: Sequence[str]) -> dict[str, list[StoredRoute]] | None:
        """None: ask the Router."""
        expected = self._registry_id()
        if not expected:
            return None
        found: dict[str, list[StoredRoute]] = {}
        for first in range(0, len(users), MAX_USERS):
            part = users[first : first + MAX_USERS]
            try:
                seen = await read_routes(self._redis, part, timeout_seconds=self._timeout_seconds)
            except (WhimbrelError, ValueError):
                return None
            if seen.registry_id != expected:
                return None
            for user, routes in zip(part, seen.routes, strict=True):
                found[user] = [route for _, route in routes]
        return found
