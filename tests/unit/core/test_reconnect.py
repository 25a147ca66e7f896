"""When a client tries again, with explicit time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.backoff import ReconnectPolicy
from whimbrel.core.reconnect import Reconnect

ALMOST_ONE = 1 - 2**-40


def attached(policy: ReconnectPolicy | None = None, *, is_background: bool = False) -> Reconnect:
    reconnect = Reconnect(policy, is_background=is_background)
    reconnect.backoff.attached()
    reconnect.backoff.set_storm_window(2.0, 30.0)
    reconnect.backoff.good_frame()
    return reconnect


def test_the_first_attempt_is_due_at_once() -> None:
    assert Reconnect().next_attempt() == -math.inf
    assert Reconnect(is_up=False).next_attempt() is None


@pytest.mark.parametrize(("is_background", "window"), [(False, 2.0), (True, 30.0)])
def test_a_stream_without_a_last_word_waits_within_the_storm_window_then_climbs(
    is_background: bool, window: float
) -> None:
    reconnect, now, waits = attached(is_background=is_background), 100.0, []
    for _ in range(7):
        reconnect.lost(now, ALMOST_ONE)
        at = reconnect.next_attempt()
        assert at is not None
        waits.append(at - now)
        now = at
        reconnect.backoff.attached()  # a Welcome and nothing after it
    assert waits == pytest.approx([window, 4, 8, 16, 30, 30, 30])


def test_connecting_that_fails_climbs_two_by_two_and_a_good_frame_resets_it() -> None:
    reconnect, now, waits = attached(), 100.0, []
    for _ in range(14):
        reconnect.failed(now, ALMOST_ONE)
        at = reconnect.next_attempt()
        assert at is not None
        waits.append(at - now)
        now = at
    assert waits == pytest.approx([2, 2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 120, 120])
    reconnect.backoff.good_frame()
    reconnect.failed(now, ALMOST_ONE)
    assert reconnect.next_attempt() == pytest.approx(now + 2)


def test_while_the_network_is_down_no_timer_runs_and_its_return_is_tried_at_once() -> None:
    reconnect = attached()
    for _ in range(9):
        reconnect.failed(100.0, ALMOST_ONE)
    reconnect.set_network(False, 101.0, ALMOST_ONE)
    assert not reconnect.is_up
    assert reconnect.next_attempt() is None
    reconnect.lost(102.0, ALMOST_ONE)
    reconnect.set_background(True, 103.0, ALMOST_ONE)
    reconnect.set_background(False, 104.0, ALMOST_ONE)
    assert reconnect.next_attempt() is None
    reconnect.set_network(True, 5_000.0, ALMOST_ONE)
    assert reconnect.next_attempt() == pytest.approx(5_000.0)
    reconnect.failed(5_000.0, ALMOST_ONE)
    assert reconnect.next_attempt() == pytest.approx(5_002.0), "the ladder begins at its foot"


def test_another_network_is_tried_at_once() -> None:
    reconnect = attached()
    reconnect.failed(100.0, ALMOST_ONE)
    reconnect.set_network(True, 100.5, ALMOST_ONE)
    assert reconnect.next_attempt() == pytest.approx(100.5)


def test_a_network_return_can_be_spread_over_the_storm_window() -> None:
    reconnect = attached(ReconnectPolicy(spread_network_return=True), is_background=True)
    reconnect.set_network(True, 100.0, 0.5)
    assert reconnect.next_attempt() == pytest.approx(115.0)


def test_what_a_close_asked_for_outlives_a_change_of_network() -> None:
    reconnect = attached()
    reconnect.closed(100.0, 0.5, 8.0)
    assert reconnect.next_attempt() == pytest.approx(108.25)
    reconnect.set_network(False, 101.0, 0.5)
    reconnect.set_network(True, 102.0, 0.5)
    assert reconnect.next_attempt() == pytest.approx(108.0)


def test_who_comes_to_the_foreground_does_not_wait_for_the_background() -> None:
    reconnect = attached(is_background=True)
    reconnect.lost(100.0, ALMOST_ONE)
    assert reconnect.next_attempt() == pytest.approx(130.0)
    reconnect.set_background(False, 105.0, 0.5)
    assert reconnect.next_attempt() == pytest.approx(106.0)
    reconnect.set_background(False, 105.5, 0.0)  # no news
    assert reconnect.next_attempt() == pytest.approx(106.0)


def test_coming_to_the_foreground_never_makes_a_wait_longer() -> None:
    reconnect = attached(is_background=True)
    reconnect.lost(100.0, 0.01)
    reconnect.set_background(False, 100.0, ALMOST_ONE)
    assert reconnect.next_attempt() == pytest.approx(100.3)


Step = tuple[str, float, float]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("lost", "closed", "failed", "up", "down", "front", "back", "good")),
            st.floats(0, 1, exclude_max=True),
            st.floats(0, 60),
        ),
        max_size=40,
    )
)
def test_whatever_happens_the_next_attempt_is_bounded_and_never_before_what_was_asked(
    steps: list[Step],
) -> None:
    reconnect, now, asked, is_up = attached(), 100.0, -math.inf, True
    for what, chance, seconds in steps:
        now += seconds
        if what == "lost":
            reconnect.lost(now, chance)
            asked = -math.inf
        elif what == "closed":
            reconnect.closed(now, chance, seconds)
            asked = now + seconds
        elif what == "failed":
            reconnect.failed(now, chance)
            asked = -math.inf
        elif what in ("up", "down"):
            is_up = what == "up"
            reconnect.set_network(is_up, now, chance)
        elif what in ("front", "back"):
            reconnect.set_background(what == "back", now, chance)
        else:
            reconnect.backoff.good_frame()
        at = reconnect.next_attempt()
        assert (at is None) == (not is_up)
        if at is not None:
            assert at >= asked
            assert at <= now + 120.0 + 60.0
