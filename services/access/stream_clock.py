"""The deadlines of one stream as such: the first frame, the heartbeat, a write that hangs, the
goodbye. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

import math

from services.access.settings import StreamSettings


class StreamClock:
    """When a stream is too late with something.

    Time in which we do not read the stream (too many unanswered sends, or attaching) does not
    count against the client.
    """

    __slots__ = (
        "_goodbye",
        "_heard_by",
        "_hello_awaited",
        "_misses",
        "_over_by",
        "_reading",
        "_silence",
        "_written_by",
    )

    def __init__(self, settings: StreamSettings, now: float) -> None:
        self._misses = settings.heartbeat_misses
        self._silence = settings.heartbeat_seconds * settings.heartbeat_misses
        self._goodbye = settings.goodbye_seconds
        self._heard_by = now + settings.hello_seconds
        self._reading = True
        self._hello_awaited = True
        self._written_by = math.inf
        self._over_by = math.inf

    def heard(self, now: float) -> None:
        """A frame has come."""
        self._hello_awaited = False
        self._heard_by = now + self._silence

    def set_heartbeat(self, interval_seconds: float, now: float) -> None:
        """The client pings at this interval from now on: it has just said so."""
        self._silence = interval_seconds * self._misses
        self._heard_by = now + self._silence

    def pause(self) -> None:
        """We do not read for now."""
        self._reading = False

    def resume(self, now: float) -> None:
        """We read again."""
        self._reading = True
        self._heard_by = now + self._silence

    def writing(self, now: float) -> None:
        """A write begins: one that takes as long as a dead client's silence is stuck."""
        self._written_by = now + self._silence

    def written(self) -> None:
        """It is done."""
        self._written_by = math.inf

    def ending(self, now: float) -> None:
        """The last frame is to be written now."""
        self._over_by = now + self._goodbye

    def deadline(self) -> float:
        """When to look again."""
        heard_by = self._heard_by if self._reading else math.inf
        return min(heard_by, self._written_by, self._over_by)

    def is_stuck(self, now: float) -> bool:
        """Whether the stream has to be cut: nothing can be written on it."""
        return now >= self._written_by or now >= self._over_by

    def lateness(self, now: float) -> str | None:
        """What the client is late with, if it is."""
        if not self._reading or now < self._heard_by:
            return None
        return "no Hello came" if self._hello_awaited else "nothing was heard for too long"
