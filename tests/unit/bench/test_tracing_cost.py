"""What tracing costs, from pairs of runs at the same time."""

from __future__ import annotations

import pytest

from bench.tracing_cost import cost


def run(per_second: float, core_ms: float, lost: int = 0) -> dict[str, object]:
    return {"messages_per_second": per_second, "core_ms_per_message": core_ms, "lost": lost}


def test_the_cost_is_that_of_all_pairs_with_its_standard_error() -> None:
    # The machine slows down for the second pair: both of its runs are slow.
    found = cost(
        [run(980.0, 0.31), run(490.0, 0.62), run(1010.0, 0.29, lost=1)],
        [run(1000.0, 0.30), run(500.0, 0.60), run(1000.0, 0.30)],
    )
    assert found["tracing_cost_ratio"] == pytest.approx(1 - 2480 / 2500)
    # 0.02, 0.02 and -0.01: a deviation of 0.0173 over the root of three.
    assert found["tracing_cost_ratio_error"] == pytest.approx(0.01)
    assert found["tracing_cost_core_us_per_message"] == pytest.approx(6.7)
    assert found["tracing_cost_core_us_per_message_error"] == pytest.approx(8.8)
    assert found["untraced_messages_per_second"] == pytest.approx(833.3)
    assert found["lost"] == 1


def test_one_pair_says_nothing_of_its_error() -> None:
    found = cost([run(980.0, 0.31)], [run(1000.0, 0.30)])
    assert (found["tracing_cost_ratio"], found["tracing_cost_ratio_error"]) == (0.02, 0.0)
