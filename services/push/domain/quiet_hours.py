"""The hours in which a user wants to be left alone. Pure: the moment comes in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class QuietHours(NamedTuple):
    """From and to, in minutes since midnight of the user's own clock. `to` before `from` goes
    over midnight; the same means that there are none."""

    from_minute: int
    to_minute: int
    time_zone: str
    """A name of the IANA database, as "Europe/Berlin"."""

    def hold(self, now: float) -> bool:
        """Whether they hold at `now` (seconds since the Unix epoch). Where the clock is turned
        they follow the clock. A zone that is not known here has no quiet hours: a sound too
        many is better than a silence that nobody asked for."""
        try:
            zone = ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return False
        local = datetime.fromtimestamp(now, UTC).astimezone(zone)
        minute = 60 * local.hour + local.minute
        if self.from_minute <= self.to_minute:
            return self.from_minute <= minute < self.to_minute
        return minute >= self.from_minute or minute < self.to_minute
