"""What the streams of this pod have done, in sums that only grow: for the metrics.

A stream keeps its own figures while it lives. They are added up when somebody asks, and when the
stream ends, so that nothing is paid for a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from whimbrel.core.session_types import Mode, Traffic

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream


class StreamFigures(NamedTuple):
    """Of all streams, those that have ended too where it is a sum."""

    open: int
    """Now, also those that have not said who they are."""
    lagging: int
    in_flight: int
    window_fill: float
    """The mean share of its window that a stream has in flight, 0 to 1."""
    ended: dict[str, int]
    """By how they ended."""
    sent: int
    """Messages that clients handed over."""
    traffic: Traffic


class StreamTally:
    """Of one pod."""

    def __init__(self) -> None:
        self._ended: Counter[str] = Counter()
        self._sent = 0
        self._traffic = Traffic()

    def end(self, stream: ClientStream) -> None:
        """This stream is over; once for each."""
        self._ended[stream.end_reason] += 1
        self._sent += stream.sent
        self._traffic.add(stream.session.traffic)

    def figures(self, streams: Iterable[ClientStream], window_messages: int) -> StreamFigures:
        """With those that are open now."""
        # Local names: with 10,000 streams this is the longest thing that a scrape does.
        count = lagging = in_flight = 0
        sent, total = self._sent, self._traffic
        delivered, delivered_bytes = total.delivered, total.delivered_bytes
        redelivered, acknowledged = total.redelivered, total.acknowledged
        for stream in streams:
            session = stream.session
            traffic = session.traffic
            count += 1
            if traffic.delivered:
                delivered += traffic.delivered
                delivered_bytes += traffic.delivered_bytes
                redelivered += traffic.redelivered
                in_flight += session.in_flight
                if session.mode is Mode.LAGGING:
                    lagging += 1
            acknowledged += traffic.acknowledged
            sent += stream.sent
        traffic = Traffic(delivered, delivered_bytes, redelivered, acknowledged)
        fill = in_flight / (count * window_messages) if count else 0.0
        return StreamFigures(count, lagging, in_flight, fill, dict(self._ended), sent, traffic)
