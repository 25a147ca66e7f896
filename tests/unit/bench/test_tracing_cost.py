"""What tracing costs, from runs in turns."""

from __future__ import annotations

import pytest

from bench.tracing_cost import cost


def run(per_second: float, core_ms: float, lost: int = 0) -> dict[str, object]:
    return {"messages_per_second": per_second, "core_ms_per_message": core_ms, "lost": lost}


def test_the_cost_is_the_median_of_pairs_not_of_runs() -> None:
    # The machine slows down for the second pair: both of its runs are slow.
    found = cost(
        [run(980.0, 0.31), run(490.0, 0.62), run(1010.0, 0.29, lost=1)],
        [run(1000.0, 0.30), run(500.0, 0.60), run(1000.0, 0.30)],
    )
    assert found["tracing_cost_ratio"] == pytest.approx(0.02)
    assert found["tracing_cost_ratio_min"] == pytest.approx(-0.01)
    assert found["tracing_cost_core_us_per_message"] == pytest.approx(10.0)
    assert found["untraced_messages_per_second"] == 1000.0
    assert found["lost"] == 1
