"""When a stream is too late, with explicit time."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.access.settings import StreamSettings
from services.access.stream_clock import StreamClock

SETTINGS = StreamSettings()


@pytest.mark.parametrize(
    ("background", "interval_ms", "seconds"),
    [
        (False, 0, 30.0),
        (False, 200_000, 30.0),  # the foreground is fixed
        (True, 0, 30.0),
        (True, 1, 60.0),
        (True, 90_500, 90.5),
        (True, 2**32 - 1, 270.0),
    ],
)
def test_a_heartbeat_is_clamped_to_the_bounds_of_its_app_state(
    background: bool, interval_ms: int, seconds: float
) -> None:
    chosen = SETTINGS.heartbeat_of(background=background, interval_ms=interval_ms)
    assert chosen == pytest.approx(seconds)


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError):
        StreamSettings(background_heartbeat_min_seconds=61, background_heartbeat_max_seconds=60)


def test_a_client_is_dead_after_two_and_a_half_of_its_own_intervals() -> None:
    clock = StreamClock(SETTINGS, 0.0)
    clock.heard(0.0)
    assert clock.deadline() == pytest.approx(75.0)
    clock.set_heartbeat(270.0, 10.0)
    assert clock.deadline() == pytest.approx(685.0)
    assert clock.lateness(684.9) is None
    assert clock.lateness(685.0) == "nothing was heard for too long"
    clock.heard(600.0)
    assert clock.deadline() == pytest.approx(1_275.0)
    clock.set_heartbeat(30.0, 601.0)  # back in the foreground
    assert clock.deadline() == pytest.approx(676.0)


def test_no_hello_in_time_is_late_whatever_the_heartbeat() -> None:
    clock = StreamClock(SETTINGS, 0.0)
    assert clock.lateness(4.9) is None
    assert clock.lateness(5.0) == "no Hello came"


def test_time_in_which_nothing_is_read_does_not_count() -> None:
    clock = StreamClock(SETTINGS, 0.0)
    clock.heard(0.0)
    clock.pause()
    assert clock.lateness(1_000.0) is None
    clock.resume(1_000.0)
    assert clock.deadline() == pytest.approx(1_075.0)
