"""How risky a user is: points from reports and admins, and from the rate of their sends. Pure.

Points decay by half in each half-life, so nobody is at risk for ever and nothing has to be
cleaned up. A user with AT_RISK points or more is refused until the points have decayed.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final, NamedTuple

AT_RISK: Final = 100.0
RATE_HALF_LIFE_SECONDS: Final = 60.0
_PER_SEND_A_SECOND = RATE_HALF_LIFE_SECONDS / math.log(2)
"""What the decaying count of a user who sends once a second comes to."""


class Risk(NamedTuple):
    """The points of a user as they were at `at_ms` (Unix milliseconds); `version` counts its
    changes."""

    points: float = 0.0
    at_ms: int = 0
    version: int = 0

    def points_at(self, now_ms: int, half_life_seconds: float) -> float:
        """The points that are left."""
        if not self.points:
            return 0.0
        age = max(0, now_ms - self.at_ms) / 1000
        return float(self.points * 0.5 ** (age / half_life_seconds))

    def raised(self, points: float, now_ms: int, half_life_seconds: float) -> Risk:
        """So many points more (less, if negative; never below 0)."""
        left = self.points_at(now_ms, half_life_seconds) + points
        return Risk(max(0.0, left), now_ms, self.version)


NO_RISK: Final = Risk()


def seconds_until_safe(points: float, half_life_seconds: float) -> float:
    """After what time points at or above AT_RISK have decayed below it."""
    return half_life_seconds * math.log2(max(points, AT_RISK) / AT_RISK) + 1.0


class SendRates:
    """The sends of each user at this process, as points: AT_RISK at `limit` sends a second,
    sustained for minutes; a burst has to be many times that. Bounded: the users who have been
    silent for longest are forgotten."""

    def __init__(self, limit: float, *, capacity: int = 100_000) -> None:
        self._point = AT_RISK / (limit * _PER_SEND_A_SECOND)
        self._capacity = capacity
        self._points: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def note(self, user: str, now: float) -> float:
        """The user sends once more at `now` (monotonic seconds); their points."""
        points, at = self._points.get(user, (0.0, now))
        if now > at:
            points *= 0.5 ** ((now - at) / RATE_HALF_LIFE_SECONDS)
        points += self._point
        self._points[user] = (points, now)
        self._points.move_to_end(user)
        if len(self._points) > self._capacity:
            self._points.popitem(last=False)
        return points
