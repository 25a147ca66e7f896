"""When a client pings, and when it believes that nobody is there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.heartbeat import Heartbeat


def test_a_busy_stream_needs_no_ping() -> None:
    heart = Heartbeat(30.0, 10.0, now=0.0)
    for now in range(1, 200, 10):
        heart.sent(float(now))
        heart.received(float(now))
        assert not heart.ping_due(now + 29.0)
    assert heart.statistics().pings == 0


@pytest.mark.parametrize("direction", ["sent", "received"])
def test_one_silent_direction_is_enough_for_a_ping(direction: str) -> None:
    heart = Heartbeat(30.0, 10.0, now=0.0)
    getattr(heart, direction)(20.0)
    assert not heart.ping_due(29.9)
    assert heart.ping_due(30.0)


def test_any_frame_answers_a_ping() -> None:
    heart = Heartbeat(30.0, 10.0, now=0.0)
    heart.pinged(30.0)
    assert not heart.ping_due(35.0)
    assert heart.next_deadline() == pytest.approx(40.0)
    heart.received(39.0)
    assert not heart.is_dead(41.0)
    assert heart.next_deadline() == pytest.approx(60.0)


def test_an_overdue_pong_means_dead() -> None:
    heart = Heartbeat(30.0, 10.0, now=0.0)
    heart.pinged(30.0)
    heart.sent(35.0)  # what we say is no sign of life of theirs
    assert not heart.is_dead(39.9)
    assert heart.is_dead(40.0)


def test_illegal_moves_raise() -> None:
    heart = Heartbeat(30.0, 10.0, now=0.0)
    heart.pinged(30.0)
    with pytest.raises(ValueError):
        heart.pinged(31.0)
    for interval, timeout in ((0.0, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError):
            Heartbeat(interval, timeout, now=0.0)


@given(st.lists(st.tuples(st.floats(0, 40), st.sampled_from(("sent", "received"))), max_size=30))
def test_following_the_deadlines_a_dead_peer_is_found_in_bounded_time(
    script: list[tuple[float, str]],
) -> None:
    heart, now = Heartbeat(30.0, 10.0, now=0.0), 0.0
    for wait, direction in script:
        now += wait
        getattr(heart, direction)(now)
    silent_since = now
    for _ in range(3):
        if heart.is_dead(now):
            break
        if heart.ping_due(now):
            heart.pinged(now)
        now = max(now, heart.next_deadline())
    assert heart.is_dead(now)
    assert now <= silent_since + 40.0
