"""What a session says that it has carried is what it gave out."""

from __future__ import annotations

from whimbrel.core.session import ServerSession
from whimbrel.core.session_types import SessionLimits, Traffic

LIMITS = SessionLimits(window_messages=8, ack_timeout_seconds=10.0)


def test_deliveries_acks_and_redeliveries_are_counted() -> None:
    session: ServerSession[int] = ServerSession(LIMITS)
    session.attach(5, 5, [], 0.0)
    for seq in (6, 7, 8):
        session.offer(seq, 100, seq, 0.0)
    assert session.take_ready(0.0, 250) == [6, 7]
    assert session.traffic == Traffic(delivered=2, delivered_bytes=200)
    assert session.take_ready(0.0, 250) == [8]
    assert session.acknowledge(6, 1.0)
    assert not session.acknowledge(6, 1.0)
    assert (session.traffic.acknowledged, session.in_flight) == (1, 2)
    session.tick(12.0)
    assert session.take_ready(12.0, 1000) == [7, 8]
    assert session.traffic == Traffic(5, 500, 2, 1)


def test_sums_add_up() -> None:
    total = Traffic(1, 10, 1, 1)
    total.add(Traffic(2, 20, 0, 3))
    assert total == Traffic(3, 30, 1, 4)
