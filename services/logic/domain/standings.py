"""When a user has come online or gone offline, to the host product. Pure: `now_ms` is an argument.

    offline   a device is attached: online, at once
    online    no device is attached for the whole of the grace: offline, since the first look
              that found none

So a migration, a reconnect within the grace and a second device change nothing. Each turn is
stored before it is told, and told before there is another: whoever dies in between, the next look
goes on. Everybody who is online is looked at now and then, for what no pod lived to report.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from services.logic.domain.events import HostEvent
from whimbrel.core.host_events import EventKind

LOOK_MS: Final = 120_000
"""Between two looks at somebody who is online and of whom nothing was heard."""
TELL_AGAIN_MS: Final = 5_000
"""After which another pod tells a turn that nobody is known to have told."""
NEVER: Final = 0


class Standing(NamedTuple):
    """What the host product was, or has to be, told of one user last."""

    user: str
    version: int
    """Rises by one with every change of this."""
    is_online: bool
    at_ms: int
    """Unix milliseconds of that turn, above those of the turn before."""
    is_told: bool
    away_since_ms: int
    """Of a user who is online: since when no device was seen; 0: one was."""
    look_ms: int
    """When to look again without having heard anything; NEVER: not."""


def look_at(
    user: str, known: Standing | None, *, is_attached: bool, now_ms: int, grace_ms: int
) -> Standing | None:
    """The standing after a look at whether a device of the user is attached; `known` itself when
    nothing is to be stored, None for a user who was never online."""
    if known is None:
        return _turn(Standing(user, 0, False, 0, True, 0, NEVER), now_ms) if is_attached else None
    if not known.is_told:
        return known
    if known.is_online:
        look = _look_at_present if is_attached else _look_at_absent
        return look(known, now_ms, grace_ms)
    if is_attached:
        return _turn(known, now_ms)
    return known if known.look_ms == NEVER else _next(known, look_ms=NEVER)


def _look_at_present(known: Standing, now_ms: int, _: int) -> Standing:
    if not known.away_since_ms and known.look_ms > now_ms:
        return known
    return _next(known, look_ms=now_ms + LOOK_MS)


def _look_at_absent(known: Standing, now_ms: int, grace_ms: int) -> Standing:
    if not known.away_since_ms:
        return _next(known, away_since_ms=now_ms, look_ms=now_ms + grace_ms)
    if now_ms - known.away_since_ms < grace_ms:
        return known
    return _turn(known, known.away_since_ms, now_ms=now_ms)


def told(known: Standing, *, now_ms: int) -> Standing:
    """After the event waits for its delivery. Looked at once more: what happened meanwhile was
    left aside."""
    return _next(known, look_ms=now_ms)


def presence_event(standing: Standing) -> HostEvent:
    """user.online or user.offline: the same for the same turn, whoever tells it."""
    kind = EventKind.USER_ONLINE if standing.is_online else EventKind.USER_OFFLINE
    event_id = f"{standing.user}.{standing.at_ms}.{kind}"
    row = {"id": event_id, "type": kind, "at_ms": standing.at_ms, "user": standing.user}
    return HostEvent(
        event_id, f"u:{standing.user}", standing.at_ms, standing.at_ms, json.dumps(row)
    )


def _turn(known: Standing, at_ms: int, *, now_ms: int | None = None) -> Standing:
    look_ms = (at_ms if now_ms is None else now_ms) + TELL_AGAIN_MS
    at_ms = max(at_ms, known.at_ms + 1)  # the clocks of two pods may disagree
    return Standing(known.user, known.version + 1, not known.is_online, at_ms, False, 0, look_ms)


def _next(known: Standing, *, away_since_ms: int = 0, look_ms: int) -> Standing:
    return known._replace(
        version=known.version + 1, is_told=True, away_since_ms=away_since_ms, look_ms=look_ms
    )
