"""What an epoch may be, and what becomes of a route.

How a route is packed is in whimbrel/core/route.py; the Lua scripts beside the Redis adapter write
the same shape. Which devices may have routes at once is in `platform_limit`.
"""

from __future__ import annotations

from typing import Final

from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.route import LEFT, StoredRoute

MAX_NUMBER: Final = 2**52
"""Clients present epochs and attempts, and Lua counts in doubles. A higher number was never
ours; it counts as this one, which leaves room for more attaches than there will be."""


LEFT_MS: Final = 2000
"""For so long that route stays: longer than an attach, as long as an old stream lingers."""


def bounded(number: int) -> int:
    """An epoch or attempt from outside, kept within what every part can count."""
    return min(number, MAX_NUMBER)


def next_epoch(stored: StoredRoute | None, presented: int, now_ms: int) -> int:
    """The epoch of a new attachment: higher than any before, with or without the store
    (rule 13)."""
    return max(stored.epoch + 1 if stored else 0, bounded(presented) + 1, now_ms)


def left_behind(
    stored: StoredRoute | None, session: router_pb2.Session, now_ms: int
) -> StoredRoute | None:
    """The route to the pod that the session moves away from by its ticket, if there is one: what
    is delivered there reaches the client while the new pod still reads the backlog."""
    if stored is None or stored.is_kicked or stored.pod_id == session.pod_id:
        return None
    if not session.ticket_epoch or stored.epoch != session.ticket_epoch:
        return None
    return stored._replace(expires_ms=now_ms + LEFT_MS, platform=LEFT)


def refuses(stored: StoredRoute | None, session: router_pb2.Session) -> bool:
    """Whether a later attempt of the same instance was here first (rule 14), or the ticket of
    the session leaves an epoch that is over (rule 23)."""
    if stored is None or stored.is_kicked:
        return False
    is_same = stored.instance_id == session.instance_id
    attempt = bounded(session.attempt)
    if session.ticket_epoch and stored.epoch != session.ticket_epoch:
        return not (is_same and stored.attempt == attempt)  # unless it is asked twice
    return is_same and stored.attempt > attempt


def as_route(device_id: str, stored: StoredRoute) -> router_pb2.Route:
    """As the contract has it."""
    return router_pb2.Route(
        device_id=device_id.removeprefix(LEFT),
        pod_id=stored.pod_id,
        incarnation=stored.incarnation,
        epoch=stored.epoch,
        platform="" if stored.is_left else stored.platform,
        is_left=stored.is_left,
    )
