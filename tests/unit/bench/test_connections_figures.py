"""The figures of the connections bench, from what was counted."""

from __future__ import annotations

import pytest

from bench.connections import ConnectionsWorkload, figures_of
from bench.connections_load import BatchResult
from bench.processes import LoadFailedError


def test_the_figures_are_those_of_the_streams_that_attached() -> None:
    result = BatchResult(10.0, 12.0, [1_000] * 90 + [50_000] * 10, refused=5)
    used = {"access-0": 500.0, "logic-0": 300.0, "mongod": 200.0}
    figures = figures_of(ConnectionsWorkload(tls=True), result, used, 100 * 60 * 1024)
    assert figures.tls
    assert (figures.streams, figures.refused) == (100, 5)
    assert figures.attaches_per_second == 50.0
    assert figures.attaches_per_core_second == 200.0
    assert figures.attaches_per_core_second_of_all == 100.0
    assert (figures.attach_p50_ms, figures.attach_p99_ms) == (1.0, 50.0)
    assert figures.kib_per_stream == 60.0
    assert figures.core_ms_by_process == {"access-0": 5.0, "logic-0": 3.0, "mongod": 2.0}


def test_a_run_in_which_nothing_attached_has_no_figures() -> None:
    with pytest.raises(LoadFailedError, match="no stream"):
        figures_of(ConnectionsWorkload(), BatchResult(0, 1, [], 9), {"access-0": 1.0}, 0)
