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


def test_a_patient_heart_waits_until_nothing_went_either_way() -> None:
    heart = Heartbeat(60.0, 10.0, now=0.0, is_patient=True)
    heart.received(2.0)  # the pong of an earlier ping
    assert not heart.ping_due(61.9)
    assert heart.ping_due(62.0)
    heart.pinged(62.0)
    assert heart.unanswered_idle == pytest.approx(60.0), "silent for exactly the interval"
    assert heart.received(63.0) == pytest.approx(60.0)
    assert heart.unanswered_idle is None
    assert heart.received(64.0) is None, "only the first frame answers it"


@pytest.mark.parametrize("direction", ["sent", "received"])
def test_a_patient_heart_asks_before_the_server_gives_it_up(direction: str) -> None:
    heart = Heartbeat(60.0, 10.0, now=0.0, is_patient=True)
    for now in range(0, 90, 5):
        getattr(heart, direction)(float(now))
        assert not heart.ping_due(float(now))
    assert heart.ping_due(90.0), "one and a half intervals: two and a half are the server's limit"
    heart.pinged(90.0)
    assert (heart.unanswered_idle or 0) < 60.0, "and this ping proves nothing about the network"


def test_a_shorter_interval_holds_at_once() -> None:
    heart = Heartbeat(270.0, 10.0, now=0.0, is_patient=True)
    assert not heart.ping_due(100.0)
    heart.set_interval(30.0)
    assert heart.ping_due(100.0), "who comes to the foreground looks whether the stream lives"
    assert heart.statistics().interval_seconds == 30.0
    with pytest.raises(ValueError):
        heart.set_interval(0.0)


def test_a_doubt_asks_at_once_and_once() -> None:
    heart = Heartbeat(270.0, 10.0, now=0.0, is_patient=True)
    heart.received(15.0)
    heart.doubt()
    assert heart.ping_due(16.0)
    heart.pinged(16.0)
    heart.doubt()
    assert heart.is_dead(26.0)
    assert heart.received(17.0) == pytest.approx(1.0), "which proves nothing about the network"
    assert not heart.ping_due(200.0)


def test_illegal_moves_raise() -> None:
    heart = Heartbeat(30.0, 10.0, now=0.0)
    heart.pinged(30.0)
    with pytest.raises(ValueError):
        heart.pinged(31.0)
    for interval, timeout in ((0.0, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError):
            Heartbeat(interval, timeout, now=0.0)


# On a grid of 1/64 s sums are exact, so the bound below can be exact too.
waits = st.integers(0, 40 * 64).map(lambda ticks: ticks / 64)


@given(
    st.lists(st.tuples(waits, st.sampled_from(("sent", "received"))), max_size=30),
    st.booleans(),
)
def test_following_the_deadlines_a_dead_peer_is_found_in_bounded_time(
    script: list[tuple[float, str]], is_patient: bool
) -> None:
    heart, now = Heartbeat(30.0, 10.0, now=0.0, is_patient=is_patient), 0.0
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
