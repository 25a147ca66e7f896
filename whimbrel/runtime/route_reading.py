"""Reads the routes of many users from the directory's Redis, in one round trip.

Never from a cache (rule 10), and never an empty answer for one that did not come (rule 11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from whimbrel.core.errors import unavailable
from whimbrel.core.route import REGISTRY_ID_KEY, StoredRoute, route_key
from whimbrel.runtime.redis_round_trip import TIMEOUT_SECONDS, Command, round_trip

_RETRY_SECONDS = 0.2


class RoutesRead(NamedTuple):
    """What the directory holds at this moment."""

    registry_id: str
    """The life of the store; empty when nobody has registered in it yet."""
    routes: list[list[tuple[str, StoredRoute]]]
    """The unexpired routes of each user, by device, in the order of the users."""


async def read_routes(
    redis: Redis, user_ids: Sequence[str], *, timeout_seconds: float = TIMEOUT_SECONDS
) -> RoutesRead:
    """Raises UNAVAILABLE when Redis does not answer, or not with all of it; ValueError for a
    route of another shape."""
    commands: list[Command] = [("TIME",), ("GET", REGISTRY_ID_KEY)]
    commands += [("HGETALL", route_key(user_id)) for user_id in user_ids]
    answers = await round_trip(redis, commands, writes=False, timeout_seconds=timeout_seconds)
    for answer in answers:
        if isinstance(answer, RedisError):
            raise unavailable(
                "the directory does not answer", retry_after_seconds=_RETRY_SECONDS
            ) from answer
    (seconds, micros), registry_id, *hashes = answers
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    return RoutesRead(
        registry_id.decode() if registry_id else "",
        [_unexpired(packed, now_ms) if packed else [] for packed in hashes],
    )


def _unexpired(routes: dict[bytes, bytes], now_ms: int) -> list[tuple[str, StoredRoute]]:
    unpacked = ((device, StoredRoute.unpack(packed.decode())) for device, packed in routes.items())
    return [(device.decode(), route) for device, route in unpacked if route.leads(now_ms)]
