from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.rate_gate import RateGate


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    gate = RateGate(10.0, 3)
    assert [gate.pass_through(1, 5.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert gate.pass_through(1, 5.0) == pytest.approx(0.1)
    assert gate.pass_through(1, 5.1) == pytest.approx(0.1)
    assert gate.pass_through(1, 9.0) == 0.0


def test_a_rate_of_zero_lets_everything_pass() -> None:
    gate = RateGate(0.0, 1)
    assert all(gate.pass_through(1e9, 0.0) == 0.0 for _ in range(1000))


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 50)), max_size=100))
def test_who_waits_as_told_never_exceeds_rate_and_burst(comings: list[tuple[float, float]]) -> None:
    gate = RateGate(20.0, 60.0)
    now, passed = 0.0, 0.0
    for pause, amount in comings:
        now += pause
        passed += amount
        wait = gate.pass_through(amount, now)
        now += wait
        assert passed <= 60.0 + 20.0 * now + 1e-6
