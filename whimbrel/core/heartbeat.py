"""When to ask whether the other end is still there, and when to believe that it is not.

A ping goes out when a stream was silent for the interval: one that carries messages both ways
needs none. Any frame counts as an answer. The interval itself comes from `heartbeat_plan`; this
is the clock of one stream. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_PATIENT_FACTOR: Final = 1.5


@dataclass(frozen=True)
class HeartbeatStatistics:
    """The figures of one stream."""

    pings: int
    is_waiting: bool
    interval_seconds: float


class Heartbeat:
    """The client's pings on one stream.

    Both directions count because either can be dead alone: if we hear nothing, the server may
    be gone; if we say nothing, it will take us for gone. A patient heartbeat (in the background)
    waits until nothing went either way for the interval, so that its pings come after a silence
    of exactly that and prove something; a single direction may be silent half as long again,
    which is still inside the two and a half intervals after which the server gives us up.
    """

    def __init__(
        self,
        interval_seconds: float,
        pong_timeout_seconds: float,
        now: float,
        *,
        is_patient: bool = False,
    ) -> None:
        if pong_timeout_seconds <= 0:
            raise ValueError("intervals must be positive")
        self._interval = 0.0
        self._is_patient = is_patient
        self._pong_timeout = pong_timeout_seconds
        self._sent = now
        self._received = now
        self._asked: float | None = None
        self._idle = 0.0
        self._is_doubted = False
        self._pings = 0
        self.set_interval(interval_seconds, is_patient=is_patient)

    def set_interval(self, interval_seconds: float, *, is_patient: bool = False) -> None:
        """From now on so long; a ping may be due at once. A ping under way is not disturbed."""
        if interval_seconds <= 0:
            raise ValueError("intervals must be positive")
        self._interval = interval_seconds
        self._is_patient = is_patient

    def sent(self, now: float) -> None:
        """A frame went out."""
        self._sent = now

    def received(self, now: float) -> float | None:
        """A frame came in, whatever it was. When it answers a ping: the seconds of silence in
        both directions that this ping has ended."""
        idle = self.unanswered_idle
        self._received = now
        self._asked = None
        self._is_doubted = False
        return idle

    def doubt(self) -> None:
        """Something did not come that should have: ask at once whether the stream is alive."""
        self._is_doubted = True

    def ping_due(self, now: float) -> bool:
        """Whether to send a Ping now; call `pinged` when it is sent."""
        return self._asked is None and now >= self._ping_at()

    def pinged(self, now: float) -> None:
        """A Ping went out. Raises ValueError while the last one is not answered."""
        if self._asked is not None:
            raise ValueError("the last ping is not answered")
        self._asked = now
        self._idle = now - max(self._sent, self._received)
        self._sent = now
        self._pings += 1

    @property
    def unanswered_idle(self) -> float | None:
        """The seconds of silence before the ping that is not answered; None without one."""
        return None if self._asked is None else self._idle

    def is_dead(self, now: float) -> bool:
        """Whether a ping was not answered in time: give the stream up."""
        return self._asked is not None and now >= self._asked + self._pong_timeout

    def next_deadline(self) -> float:
        """When `ping_due` or `is_dead` will be true if nothing happens before."""
        return self._ping_at() if self._asked is None else self._asked + self._pong_timeout

    def statistics(self) -> HeartbeatStatistics:
        """The figures at this moment."""
        return HeartbeatStatistics(self._pings, self._asked is not None, self._interval)

    def _ping_at(self) -> float:
        if self._is_doubted:
            return max(self._sent, self._received)
        one_way = min(self._sent, self._received) + self._interval * (
            _PATIENT_FACTOR if self._is_patient else 1.0
        )
        return min(one_way, max(self._sent, self._received) + self._interval)
