from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.token_bucket import Rate, TokenBuckets


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    buckets = TokenBuckets(Rate(3, 60.0))
    assert [buckets.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("a", 0.0) == pytest.approx(20.0)
    assert buckets.take("a", 10.0) == pytest.approx(10.0)
    assert buckets.take("a", 20.0) == 0.0
    assert buckets.take("b", 20.0) == 0.0


@given(st.lists(st.floats(0, 30), max_size=200))
def test_never_more_than_burst_and_rate_permit(pauses: list[float]) -> None:
    buckets = TokenBuckets(Rate(5, 60.0))
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        taken += not buckets.take("a", now)
        assert taken <= 5 + now * 5 / 60 + 1e-6


@given(st.floats(0.001, 1000))
def test_after_the_wait_that_it_names_a_token_is_there(now: float) -> None:
    buckets = TokenBuckets(Rate(2, 7.0))
    buckets.take("a", 0.0)
    buckets.take("a", 0.0)
    wait = buckets.take("a", now)
    if wait:
        assert buckets.take("a", now + wait * (1 + 1e-9)) == 0.0


def test_the_keys_are_bounded_and_the_oldest_goes() -> None:
    buckets = TokenBuckets(Rate(1, 60.0), max_keys=10)
    for number in range(100):
        buckets.take(str(number), 0.0)
    assert len(buckets) == 10
    assert buckets.take("99", 0.0) > 0
    assert buckets.take("0", 0.0) == 0.0
