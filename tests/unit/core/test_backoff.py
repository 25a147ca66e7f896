"""How long a client waits before it comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.backoff import Backoff, ReconnectPolicy

ALMOST_ONE = 1 - 2**-40


def test_the_first_loss_is_spread_over_the_storm_window_and_the_next_climb() -> None:
    backoff = Backoff()
    waits = [backoff.after_loss(ALMOST_ONE) for _ in range(7)]
    assert waits == pytest.approx([0.5, 4, 8, 16, 30, 30, 30])


def test_connecting_that_fails_climbs_two_by_two() -> None:
    backoff = Backoff()
    waits = [backoff.after_failure(ALMOST_ONE) for _ in range(15)]
    ladder = [2, 2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 120, 120, 120]
    assert waits == pytest.approx(ladder)


def test_a_welcome_resets_only_the_connecting() -> None:
    backoff = Backoff()
    backoff.after_loss(0.5)
    backoff.after_failure(0.5)
    backoff.attached()
    assert (backoff.statistics().lost, backoff.statistics().failed) == (1, 0)
    assert backoff.after_loss(ALMOST_ONE) == pytest.approx(4)


def test_the_first_good_frame_resets_everything() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after_loss(0.5)
        backoff.after_failure(0.5)
    backoff.good_frame()
    assert backoff.after_loss(ALMOST_ONE) == pytest.approx(0.5)
    assert backoff.after_failure(ALMOST_ONE) == pytest.approx(2)


@pytest.mark.parametrize(("is_background", "window"), [(False, 2.0), (True, 20.0)])
def test_the_server_says_how_wide_the_storm_is_for_each_app_state(
    is_background: bool, window: float
) -> None:
    backoff = Backoff()
    backoff.set_storm_window(2.0, 20.0)
    backoff.set_background(is_background)
    assert backoff.after_loss(0.5) == pytest.approx(window / 2)
    assert backoff.after_loss(ALMOST_ONE) == pytest.approx(4), "the window counts once"


def test_a_close_or_a_fin_does_not_wait_for_the_storm() -> None:
    backoff = Backoff()
    backoff.set_storm_window(100.0, 100.0)
    waits = [backoff.after_close(ALMOST_ONE, 3.0) for _ in range(3)]
    assert waits == pytest.approx([3.5, 7, 11]), "what was asked for, and then the ladder"
    backoff.good_frame()
    assert backoff.after_close(0.0, 3.0) == pytest.approx(3)


@given(st.integers(0, 1_000), st.floats(0, 1, exclude_max=True))
def test_every_draw_has_full_jitter(times: int, chance: float) -> None:
    one, other = Backoff(), Backoff()
    for _ in range(min(times, 20)):
        assert one.after_loss(chance) == pytest.approx(chance * other.after_loss(ALMOST_ONE))
        assert one.after_failure(chance) == pytest.approx(chance * other.after_failure(ALMOST_ONE))


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 60), st.integers(0, 20))
def test_retry_after_is_always_honoured_and_the_cap_kept(
    chance: float, retry_after: float, times: int
) -> None:
    backoff = Backoff(ReconnectPolicy(cap_seconds=0.25))
    for _ in range(times):
        backoff.after_failure(chance)
    for wait in (
        backoff.after_failure(chance, retry_after),
        backoff.after_close(chance, retry_after),
        backoff.after_close(chance, retry_after),
    ):
        assert retry_after <= wait <= retry_after + 0.25
    assert backoff.after_loss(chance) <= 0.25


def test_what_makes_no_sense_is_refused() -> None:
    for broken in (
        {"lost_rungs": ()},
        {"failed_rungs": (-1.0,)},
        {"storm_window_seconds": -1.0},
        {"close_window_seconds": -1.0},
        {"cap_seconds": -1.0},
    ):
        with pytest.raises(ValueError):
            ReconnectPolicy(**broken)
    with pytest.raises(ValueError):
        Backoff().after_loss(1.0)
    with pytest.raises(ValueError):
        Backoff().set_storm_window(1.0, -1.0)
