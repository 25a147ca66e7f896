"""What the bench makes of what its load processes saw, of several runs, and of bare limits."""

from __future__ import annotations

import pytest

from bench.bare import WireLimits
from bench.bare_store import StoreResult
from bench.figures import figures_of
from bench.histogram import Latencies
from bench.load import LoadResult
from bench.runs import medians, ratio
from bench.throughput import bare_keys, paced, with_ratios

WIRE = WireLimits(
    frames_per_second=10_000.0,
    frames_per_second_one_stream=5_000.0,
    core_ms_per_frame=0.05,
    attaches_per_second=800.0,
    attach_core_ms=0.5,
    kib_per_stream=39.0,
)
STORE = StoreResult(
    insert_p50_ms=1.5,
    insert_p99_ms=3.0,
    inserts=900,
    paced_insert_p50_ms=2.0,
    paced_insert_p99_ms=4.0,
    documents_per_second=30_000.0,
)


def seen(latencies_us: list[int], **more: int) -> LoadResult:
    encoded = Latencies.of(latencies_us).encoded()
    return LoadResult(latencies=encoded, started=10.0, ended=12.0, **more)


def test_the_latencies_of_all_processes_are_one_distribution() -> None:
    found = figures_of(
        [seen([1_000] * 500, accepted=500), seen([9_000] * 499 + [80_000], accepted=500)],
        {"access-0": 200.0, "mongod": 50.0},
    )
    assert found.p50_ms == pytest.approx(1.0, rel=0.001)
    assert found.p90_ms == pytest.approx(9.0, rel=0.002)
    assert found.p999_ms == pytest.approx(9.0, rel=0.002)
    assert found.max_ms == pytest.approx(80.0, rel=0.001)
    assert found.messages_per_second == 500.0
    assert found.core_ms_per_message == 0.25
    assert found.core_ms_by_process == {"access-0": 0.2, "mongod": 0.05}


def test_a_latency_keeps_three_digits_whatever_its_size() -> None:
    for microseconds in (1, 999, 12_345, 7_654_321, 599_000_000):
        found = Latencies.of([microseconds]).ms(100) * 1000
        assert found == pytest.approx(microseconds, rel=0.001, abs=5)


def test_a_latency_beyond_ten_minutes_counts_as_the_longest() -> None:
    assert Latencies.of([2_000_000_000]).ms(50) == pytest.approx(600_000, rel=0.001)


def test_nothing_measured_has_no_latency() -> None:
    assert Latencies.decoded([]).ms(50) == 0.0
    assert Latencies.of([]).curve()["99.9"] == 0.0


def test_several_runs_become_medians_with_the_lowest_and_the_highest() -> None:
    runs = [
        {"p50_ms": 5.0, "lost": 0, "pairs": 100, "core_ms_by_process": {"redis": 1.0}},
        {"p50_ms": 9.0, "lost": 1, "pairs": 100, "core_ms_by_process": {"redis": 3.0}},
        {"p50_ms": 4.0, "lost": 0, "pairs": 100, "core_ms_by_process": {"redis": 2.0}},
    ]
    assert medians(runs) == {
        "p50_ms": 5.0,
        "p50_ms_min": 4.0,
        "p50_ms_max": 9.0,
        "lost": 1,
        "pairs": 100,
        "core_ms_by_process": {"redis": 2.0},
        "runs": 3,
    }


def test_one_run_has_no_lowest_and_highest() -> None:
    assert medians([{"p50_ms": 5.0}]) == {"p50_ms": 5.0, "runs": 1}
    with pytest.raises(ValueError, match="no runs"):
        medians([])


def test_a_figure_stands_beside_how_many_times_the_bare_limit_it_is() -> None:
    found = {
        "messages_per_second": 5_000.0,
        "core_ms_per_message": 0.25,
        "p50_ms": 6.0,
        "p99_ms": 15.0,
    }
    rated = with_ratios(found, WIRE, STORE)
    assert rated["messages_per_second_ratio"] == 0.5  # a message is three documents
    assert rated["core_ms_per_message_ratio"] == 5.0
    assert (rated["p50_ms_ratio"], rated["p99_ms_ratio"]) == (4.0, 5.0)
    assert rated["p99_ms_to_insert_p50_ratio"] == 10.0
    assert paced(found, STORE) == {
        "p50_ms_to_paced_insert_ratio": 3.0,
        "p99_ms_to_paced_insert_p50_ratio": 7.5,
    }
    assert bare_keys(WIRE, STORE)["bare_kib_per_stream"] == 39.0


def test_a_limit_that_was_not_measured_gives_no_ratio() -> None:
    assert ratio(5.0, 0.0) == 0.0
