"""How many devices of one platform a user may have attached, and which of them yields.

Only devices that are there now count, and never the one that attaches. A kicked device leaves
its instance and a higher epoch behind, for as long as a route lives that nobody asserts: its pod
may not have heard of the kick, and must not write the route again; its client may not have heard
either, and must not kick in return. Another instance of it is a person who wants it back, and
attaches as anybody does.

Pure; the Lua scripts beside the Redis adapter decide the same, and the contract suite holds
both to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.route import StoredRoute

Rival = tuple[str, StoredRoute]
"""Another device of the same platform that is there now, by its id."""


def rivals(
    routes: Mapping[str, StoredRoute], session: router_pb2.Session, now_ms: int
) -> list[Rival]:
    """The rivals of a session, lowest epoch first."""
    found = [
        (device_id, route)
        for device_id, route in routes.items()
        if device_id != session.device_id
        and route.platform == session.platform
        and route.leads(now_ms)
    ]
    return sorted(found, key=_age)


def above(found: Sequence[Rival]) -> int:
    """The lowest epoch with which one more is newer than all its rivals: two may come within
    the same millisecond."""
    return found[-1][1].epoch + 1 if found else 0


def losers(found: Sequence[Rival], limit: int) -> Sequence[Rival]:
    """Who yields so that one more may attach: those with the lowest epochs."""
    return found[: max(0, len(found) - limit + 1)]


def lost_its_place(found: Sequence[Rival], limit: int, device_id: str, epoch: int) -> bool:
    """Whether so many newer devices are there that a session may not assert itself.

    That is how a kick is found out that Redis has forgotten.
    """
    return sum(_age(rival) > (epoch, device_id) for rival in found) >= limit


def kicked(route: StoredRoute, expires_ms: int) -> StoredRoute:
    """What is left of a route whose device was kicked."""
    return route._replace(epoch=route.epoch + 1, expires_ms=expires_ms, incarnation="")


def was_kicked(stored: StoredRoute | None, instance_id: str, now_ms: int) -> bool:
    """Whether this very instance was kicked a moment ago."""
    return (
        stored is not None
        and stored.is_kicked
        and stored.expires_ms > now_ms
        and stored.instance_id == instance_id
    )


def _age(rival: Rival) -> tuple[int, str]:
    device_id, route = rival
    return route.epoch, device_id
