"""When to ask whether the other end is still there, and when to believe that it is not.

A ping goes out only when one direction was silent for the interval: a stream that carries
messages both ways needs none. Any frame counts as an answer. Pure; the interval is fixed in
this release.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeartbeatStatistics:
    """The figures of one stream."""

    pings: int
    is_waiting: bool


class Heartbeat:
    """The client's pings on one stream.

    Both directions count because either can be dead alone: if we hear nothing, the server may
    be gone; if we say nothing, it will take us for gone.
    """

    def __init__(self, interval_seconds: float, pong_timeout_seconds: float, now: float) -> None:
        if interval_seconds <= 0 or pong_timeout_seconds <= 0:
            raise ValueError("intervals must be positive")
        self._interval = interval_seconds
        self._pong_timeout = pong_timeout_seconds
        self._sent = now
        self._received = now
        self._asked: float | None = None
        self._pings = 0

    def sent(self, now: float) -> None:
        """A frame went out."""
        self._sent = now

    def received(self, now: float) -> None:
        """A frame came in, whatever it was."""
        self._received = now
        self._asked = None

    def ping_due(self, now: float) -> bool:
        """Whether to send a Ping now; call `pinged` when it is sent."""
        return self._asked is None and now >= self._ping_at()

    def pinged(self, now: float) -> None:
        """A Ping went out. Raises ValueError while the last one is not answered."""
        if self._asked is not None:
            raise ValueError("the last ping is not answered")
        self._asked = now
        self._sent = now
        self._pings += 1

    def is_dead(self, now: float) -> bool:
        """Whether a ping was not answered in time: give the stream up."""
        return self._asked is not None and now >= self._asked + self._pong_timeout

    def next_deadline(self) -> float:
        """When `ping_due` or `is_dead` will be true if nothing happens before."""
        return self._ping_at() if self._asked is None else self._asked + self._pong_timeout

    def statistics(self) -> HeartbeatStatistics:
        """The figures at this moment."""
        return HeartbeatStatistics(pings=self._pings, is_waiting=self._asked is not None)

    def _ping_at(self) -> float:
        return min(self._sent, self._received) + self._interval
