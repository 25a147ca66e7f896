"""The benches work: every figure is there, and nothing is lost. What they measure in half a second
on a machine that tests run on means nothing, so nothing is asserted of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.goals import GOALS, figure_at
from bench.processes import LoadFailedError, end, line_of, start
from bench.registry import BENCHES, OnItsOwn
from bench.suite import lost_in, measure_all
from bench.terms import SMOKE, Terms
from tests.local.test_command import Terminal

# Of more pods than a small form starts.
NOT_IN_SMOKE = ("scale.pods_4",)


@pytest.mark.timeout(300)
async def test_every_bench_gives_every_figure_and_loses_nothing(tmp_path: Any) -> None:
    process = await Terminal(tmp_path).start("bench", "all", "--smoke", "--json")
    try:
        out, err = await process.communicate()
    finally:
        await end(process)
    assert process.returncode == 0, err.decode()
    found = json.loads(out)
    for goal in GOALS:
        if not goal.key.startswith(NOT_IN_SMOKE):
            assert figure_at(found, goal.key) is not None, goal.key
    assert lost_in(found) == 0
    assert found["messages_per_second"] > 0
    assert found["core_ms_by_process"].keys() >= {"access-0", "logic-0", "mongod", "redis"}
    assert found["bare_kib_per_stream"] > 0
    assert found["bare_documents_per_second"] > 0
    assert found["bare"]["core_ms_per_frame"] >= 0
    for part in (found, found["latency"]):
        assert isinstance(part["p999_ms"], float)
        assert part["p50_ms_ratio"] > 0
    assert found["fanout"]["deliveries_per_second"] > 0
    assert found["sync"]["one_device_deliveries_per_second"] > 0
    assert found["storm"]["clients_lost_their_stream"] > 0
    assert found["storm"]["clients_not_back"] == 0
    assert found["scale"]["pods_2_to_1_core_ms_per_message_ratio"] > 0


async def _one(_: Terms, __: object) -> dict[str, Any]:
    return {"figure_ms": 1.0, "lost": 0}


async def _breaks(_: Terms, __: object) -> dict[str, Any]:
    raise LoadFailedError("a load process ended early")


async def test_a_bench_that_would_not_end_in_time_is_skipped_and_one_that_fails_is_noted() -> None:
    benches = (
        OnItsOwn("first", 1, _one),
        OnItsOwn("endless", 10_000, _one),
        OnItsOwn("broken", 1, _breaks),
        OnItsOwn("last", 1, _one),
    )
    found = await measure_all(SMOKE, benches=benches, budget_seconds=60.0)
    assert found["figure_ms"] == 1.0
    assert found["skipped"] == ["endless"]
    assert found["failed"] == {"broken": "a load process ended early"}
    assert found["last"] == {"figure_ms": 1.0, "lost": 0}


async def test_without_the_first_bench_there_is_no_result() -> None:
    with pytest.raises(LoadFailedError):
        await measure_all(SMOKE, benches=(OnItsOwn("broken", 1, _breaks),))


def test_all_benches_together_fit_into_their_budget() -> None:
    assert sum(bench.seconds for bench in BENCHES) <= 14 * 60 - 20  # 20: the bare limits


async def test_a_load_process_that_breaks_says_why() -> None:
    process = await start("bench.no_such_load")
    try:
        with pytest.raises(LoadFailedError, match="no_such_load"):
            await line_of(process, 20.0)
    finally:
        await end(process)
