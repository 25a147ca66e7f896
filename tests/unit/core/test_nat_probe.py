"""The search for the longest heartbeat that a network permits."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.nat_probe import Learned, NatProbe, Phase, ProbePolicy

MINIMUM, MAXIMUM = 60.0, 270.0
HOUR = 3600.0


class Nat:
    """A network that forgets a stream which was silent for its timeout."""

    def __init__(self, timeout: float, probe: NatProbe | None = None) -> None:
        self.timeout = timeout
        self.now = 0.0
        self.probe = probe or NatProbe(MINIMUM, MAXIMUM, self.now)
        self.lost = 0
        self.history: list[float] = []

    def ping(self, accident: bool = False) -> None:
        interval = self.probe.interval_seconds
        assert MINIMUM <= interval <= MAXIMUM
        self.now += interval
        self.history.append(interval)
        if interval >= self.timeout or accident:
            self.lost += 1
            self.probe.failed(interval, self.now)
        else:
            self.probe.answered(interval, self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.ping()


@pytest.mark.parametrize("timeout", [61.0, 75.0, 90.0, 91.0, 119.0, 130.0, 180.0, 240.0, 269.0])
def test_it_finds_an_interval_below_the_timeout_and_stays_there(timeout: float) -> None:
    nat = Nat(timeout)
    nat.run(2 * HOUR)
    assert nat.probe.phase is Phase.SETTLED
    found = nat.probe.interval_seconds
    assert found < timeout
    assert found >= max(MINIMUM, timeout - 30.0 - 10.0), "at most a step and the margin below"
    lost = nat.lost
    assert lost == 2, "the search costs as many streams as a failure needs to be believed"
    nat.run(24 * HOUR)
    assert nat.probe.interval_seconds == found
    assert nat.lost == lost


def test_the_first_probes_are_at_the_minimum_and_then_each_is_a_step_longer() -> None:
    nat = Nat(math.inf)
    for _ in range(12):
        nat.ping()
    assert nat.history == [60, 60, 60, 90, 120, 150, 180, 210, 240, 270, 270, 270]
    assert nat.probe.phase is Phase.SETTLED
    assert nat.lost == 0


def test_a_failure_steps_back_and_takes_the_margin_off() -> None:
    nat = Nat(130.0)
    for _ in range(9):
        nat.ping()
    assert nat.history == [60, 60, 60, 90, 120, 150, 150, 110, 110]


def test_one_accident_ends_nothing() -> None:
    nat = Nat(math.inf)
    for number in range(40):
        nat.ping(accident=number % 4 == 3)
    assert nat.probe.interval_seconds == MAXIMUM


def test_a_network_that_has_become_stricter_is_searched_anew() -> None:
    nat = Nat(250.0)
    nat.run(2 * HOUR)
    assert nat.probe.interval_seconds == 230.0
    nat.timeout = 100.0
    nat.run(2 * HOUR)
    assert nat.probe.phase is Phase.SETTLED
    assert nat.probe.interval_seconds == 80.0
    assert nat.lost == 2 + 3 + 2, "the first search, the doubt, the second search"


def test_a_network_that_has_become_laxer_is_found_out_at_the_retest() -> None:
    probe = NatProbe(MINIMUM, MAXIMUM, 0.0, policy=ProbePolicy(retest_seconds=24 * HOUR))
    nat = Nat(100.0, probe)
    nat.run(23 * HOUR)
    assert nat.probe.interval_seconds == 80.0
    nat.timeout = math.inf
    nat.run(3 * HOUR)
    assert nat.probe.interval_seconds == MAXIMUM


def test_a_retest_that_fails_goes_back_to_where_it_was() -> None:
    probe = NatProbe(MINIMUM, MAXIMUM, 0.0, policy=ProbePolicy(retest_seconds=24 * HOUR))
    nat = Nat(100.0, probe)
    nat.run(10 * 24 * HOUR)
    assert nat.probe.interval_seconds == 80.0, "the margin is taken off once, not each time"
    assert nat.lost <= 2 + 2 * 10


def test_failures_at_the_minimum_stay_there() -> None:
    nat = Nat(20.0)
    nat.run(12 * HOUR)
    assert set(nat.history) == {MINIMUM}, "nothing shorter is permitted, nothing longer is proven"
    assert nat.probe.learned is None
    nat.timeout = math.inf
    nat.run(HOUR)
    assert nat.probe.interval_seconds == MAXIMUM


def test_failures_at_a_settled_minimum_stay_there_too() -> None:
    nat = Nat(20.0, NatProbe(MINIMUM, MAXIMUM, 0.0, learned=Learned(MINIMUM, is_settled=True)))
    nat.run(12 * HOUR)
    assert set(nat.history) == {MINIMUM}


def test_a_failure_at_the_minimum_begins_the_count_of_probes_anew() -> None:
    nat = Nat(math.inf)
    nat.ping()
    nat.ping()
    nat.ping(accident=True)
    for _ in range(4):
        nat.ping()
    assert nat.history == [60, 60, 60, 60, 60, 60, 90]


def test_pings_after_a_shorter_silence_prove_nothing() -> None:
    probe = NatProbe(MINIMUM, MAXIMUM, 0.0)
    for now in range(100):
        probe.answered(59.0, float(now))
        probe.failed(59.0, float(now))
    assert probe.phase is Phase.MINIMUM
    assert probe.learned is None


def test_a_ping_that_the_device_slept_through_is_no_failure() -> None:
    probe = NatProbe(MINIMUM, MAXIMUM, 0.0, learned=Learned(90.0, is_settled=False))
    for now in range(10):
        probe.failed(1_000.0, float(now))
    assert probe.phase is Phase.LENGTHENING
    probe.failed(121.0, 11.0)  # a little late is in time
    probe.failed(121.0, 12.0)
    assert (probe.phase, probe.interval_seconds) == (Phase.SETTLED, 80.0)


@pytest.mark.parametrize("timeout", [100.0, 200.0, math.inf])
def test_what_was_learned_is_gone_on_with(timeout: float) -> None:
    first = Nat(timeout)
    for _ in range(60):
        first.ping()
        probe = NatProbe(MINIMUM, MAXIMUM, first.now, learned=first.probe.learned)
        if first.probe.learned is None:
            continue
        second = Nat(timeout, probe)
        second.run(2 * HOUR)
        assert abs(second.probe.interval_seconds - first_result(timeout)) <= 10.0
        assert second.lost <= 2
    assert first.probe.interval_seconds == first_result(timeout)


def first_result(timeout: float) -> float:
    nat = Nat(timeout)
    nat.run(2 * HOUR)
    return nat.probe.interval_seconds


def test_new_bounds_hold_at_once_and_a_wider_maximum_is_used() -> None:
    nat = Nat(math.inf)
    nat.run(HOUR)
    nat.probe.set_bounds(30.0, 120.0)
    assert nat.probe.interval_seconds == 120.0
    nat.probe.set_bounds(30.0, 180.0)
    assert nat.probe.interval_seconds == 150.0
    nat.probe.set_bounds(200.0, 270.0)
    assert nat.probe.interval_seconds == 200.0
    for wrong in ((0.0, 1.0), (2.0, 1.0)):
        with pytest.raises(ValueError):
            nat.probe.set_bounds(*wrong)


def test_equal_bounds_leave_nothing_to_find() -> None:
    probe = NatProbe(60.0, 60.0, 0.0)
    for now in range(10):
        probe.answered(60.0, float(now))
        probe.failed(60.0, float(now))
        assert probe.interval_seconds == 60.0


@given(st.integers(0, 2**32), st.floats(61, 400), st.floats(0, 0.1))
def test_with_accidents_it_still_ends_below_the_timeout(
    seed: int, timeout: float, accidents: float
) -> None:
    random = Random(seed)
    nat = Nat(timeout)
    for _ in range(200):
        nat.ping(accident=random.random() < accidents)
    nat.run(3 * HOUR)
    assert nat.probe.phase is Phase.SETTLED
    assert nat.probe.interval_seconds < timeout


def test_a_policy_that_makes_no_sense_is_refused() -> None:
    for broken in (
        {"minimum_probes": 0},
        {"failures_to_step_back": 0},
        {"step_seconds": 0.0},
        {"margin_seconds": -1.0},
        {"retest_seconds": 0.0},
    ):
        with pytest.raises(ValueError):
            ProbePolicy(**broken)
