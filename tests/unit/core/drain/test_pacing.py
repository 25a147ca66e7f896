"""The bucket never gives more than it says, and the pace yields to a target that suffers."""

from __future__ import annotations

import math
import random
from bisect import bisect_left

import pytest

from whimbrel.core.drain.pacing import (
    DrainPace,
    PaceLimits,
    TargetHealth,
    TokenBucket,
    ceiling,
    own_share,
)

WELL = TargetHealth(arrivals=100, attach_p99_ms=20.0, loop_lag_ms=5.0)


@pytest.mark.parametrize("seed", range(30))
def test_no_second_sees_more_than_the_rate_and_one_burst(seed: int) -> None:
    dice = random.Random(seed)
    rate, burst = dice.uniform(5, 300), dice.uniform(1, 30)
    bucket = TokenBucket(rate, burst, 0.0)
    now, taken = 0.0, []
    for _ in range(400):
        now += dice.choice([0.0, dice.expovariate(50), dice.expovariate(1)])
        taken += [now] * bucket.take_up_to(dice.randint(1, 50), now)
    for index, first in enumerate(taken):
        assert bisect_left(taken, first + 1.0) - index <= rate + burst + 1


def test_the_first_token_is_there_at_once_and_the_next_when_it_is_earned() -> None:
    bucket = TokenBucket(2.0, 1.0, 10.0)
    assert bucket.next_at(10.0) == 10.0
    assert bucket.take(10.0)
    assert not bucket.take(10.4)
    assert bucket.next_at(10.4) == pytest.approx(10.5)
    assert bucket.take(10.5)


def test_a_rate_of_nothing_stops_at_once() -> None:
    bucket = TokenBucket(10.0, 5.0, 0.0)
    bucket.set_rate(0.0, 3.0)
    assert not bucket.take(3.0)
    assert bucket.next_at(3.0) is None
    with pytest.raises(ValueError):
        bucket.set_rate(math.inf, 3.0)


def test_a_new_rate_does_not_earn_for_the_past() -> None:
    bucket = TokenBucket(1.0, 50.0, 0.0)
    bucket.set_rate(100.0, 10.0)
    assert bucket.take_up_to(100, 10.0) == 11


def test_a_clock_that_stands_still_gives_nothing_twice() -> None:
    bucket = TokenBucket(5.0, 1.0, 7.0)
    assert bucket.take(7.0)
    assert not bucket.take(6.0)
    assert not bucket.take(7.0)


def test_the_pace_begins_at_half_and_comes_to_the_ceiling() -> None:
    pace = DrainPace()
    assert pace.observe([WELL], 200.0, 0.0) == 100.0
    rates = [pace.observe([WELL], 200.0, float(now)) for now in range(1, 10)]
    assert rates == sorted(rates)
    assert rates[-1] == 200.0


@pytest.mark.parametrize(
    "sick",
    [
        WELL._replace(attach_p99_ms=251.0),
        WELL._replace(refused_busy=2),
        WELL._replace(loop_lag_ms=101.0),
    ],
)
def test_a_target_that_suffers_halves_the_pace_once_in_a_window(sick: TargetHealth) -> None:
    pace = DrainPace()
    for now in range(10):
        pace.observe([WELL, WELL], 200.0, float(now))
    rates = [pace.observe([WELL, sick], 200.0, 10.0 + step * 0.5) for step in range(12)]
    assert rates[:10] == [100.0] * 10, "its figures look back on five seconds"
    assert rates[10] == 50.0
    assert pace.statistics().halvings == 2


def test_the_pace_never_falls_below_the_floor_nor_rises_above_the_ceiling() -> None:
    pace = DrainPace(PaceLimits(floor_per_second=10.0))
    sick = WELL._replace(loop_lag_ms=500.0)
    for now in range(0, 200, 6):
        assert pace.observe([sick], 100.0, float(now)) >= 10.0
    assert pace.rate_per_second == 10.0
    assert pace.observe([sick], 4.0, 300.0) == 4.0, "a lower ceiling is lower than the floor"
    assert pace.observe([], 0.0, 301.0) == 0.0


def test_a_drain_after_a_rest_begins_anew() -> None:
    pace = DrainPace()
    for now in range(10):
        pace.observe([WELL], 200.0, float(now))
    pace.rest()
    assert pace.observe([WELL], 200.0, 1000.0) == 100.0


def test_the_ceiling_is_the_least_of_three() -> None:
    assert ceiling([100.0, 50.0]) == 150.0
    assert ceiling([100.0, 50.0], operator_per_second=20.0) == 20.0
    assert ceiling([100.0, 50.0], route_store_per_second=70.0) == 70.0
    assert ceiling([]) == 0.0


def test_ten_pods_that_stop_share_one_budget() -> None:
    assert 10 * own_share([60.0, 40.0], 10) == pytest.approx(100.0)
    assert own_share([60.0], 0) == 60.0
