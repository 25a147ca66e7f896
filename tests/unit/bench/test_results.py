"""What is made of results: goals, comparisons, a page, pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image
from typer.testing import CliRunner

from bench.compare import compare, is_same_machine
from bench.goals import GOALS, judge
from bench.machine import describe
from bench.report import render, write_report
from bench.suite import lost_in
from whimbrel.cli.app import app

PAGE = Path(__file__).resolve().parents[3] / "docs" / "performance.md"


def result(**more: Any) -> dict[str, Any]:
    return {
        "bench": "all",
        "messages_per_second": 5_200.0,
        "messages_per_second_min": 5_000.0,
        "messages_per_second_max": 5_400.0,
        "p99_ms": 300.0,
        "lost": 0,
        "bare_insert_p50_ms": 1.5,
        "core_ms_by_process": {"access-0": 0.1, "logic-0": 0.12},
        "latency_ms_by_percent": {"0": 1.0, "50": 20.0, "99": 300.0, "100": 320.0},
        "latency": {"p50_ms_to_paced_insert_ratio": 4.0, "lost": 0},
        "machine": describe(),
        "failed": {},
        "skipped": ["media"],
        **more,
    }


def verdicts(found: dict[str, Any]) -> dict[str, bool | None]:
    return {one.goal.key: one.is_reached for one in judge(found)}


def test_a_goal_is_reached_missed_or_not_measured() -> None:
    found = verdicts(result())
    assert found["messages_per_second"] is True
    assert found["p99_ms"] is False
    assert found["latency.p50_ms_to_paced_insert_ratio"] is True
    assert found["sync.one_device_seconds"] is None


def test_the_page_of_performance_names_every_goal_with_its_bound() -> None:
    page = PAGE.read_text()
    for goal in GOALS:
        sign = "≤" if goal.is_at_most else "≥"
        assert f"| `{goal.key}` | {sign} {goal.bound:,g} |" in page, goal.key


@pytest.mark.parametrize(
    ("key", "before", "after", "verdict"),
    [
        ("p50_ms", (4, 5, 6), (6, 7, 8), "same"),  # the runs of both meet at 6
        ("p50_ms", (4, 5, 6), (7, 8, 9), "worse"),
        ("messages_per_second", (4, 5, 6), (7, 8, 9), "better"),
        ("messages_per_second_ratio", (4, 5, 6), (1, 2, 3), "worse"),
        ("core_ms_per_message_ratio", (4, 5, 6), (1, 2, 3), "better"),
        ("pods", (4, 5, 6), (7, 8, 9), "differs"),
    ],
)
def test_figures_differ_when_their_runs_do_not_meet(
    key: str, before: tuple[float, ...], after: tuple[float, ...], verdict: str
) -> None:
    old, new = (
        {f"{key}_min": one[0], key: one[1], f"{key}_max": one[2]} for one in (before, after)
    )
    assert [(one.key, one.verdict) for one in compare(old, new)] == [(key, verdict)]


def test_single_runs_differ_by_more_than_a_tenth() -> None:
    old = {"drain": {"added_p50_ms": 10.0, "lost": 0}}
    assert [one.verdict for one in compare(old, {"drain": {"added_p50_ms": 10.9, "lost": 0}})] == [
        "same",
        "same",
    ]
    new = {"drain": {"added_p50_ms": 8.0, "lost": 1}}
    assert [(one.key, one.verdict, one.change) for one in compare(old, new)] == [
        ("drain.added_p50_ms", "better", -0.2),
        ("drain.lost", "worse", None),
    ]


def test_what_only_describes_the_machine_is_not_compared() -> None:
    keys = {one.key for one in compare(result(), result())}
    assert keys >= {
        "messages_per_second",
        "latency.p50_ms_to_paced_insert_ratio",
        "core_ms_by_process.logic-0",
    }
    assert not [key for key in keys if "bare" in key or "machine" in key or "percent" in key]
    assert is_same_machine(result(), result())
    assert not is_same_machine(result(), {"machine": {"processor": "another", "cores": 64}})


def test_what_was_lost_anywhere_is_found() -> None:
    found = result(storm={"reordered": 1, "lost": 2}, fanout={"duplicated": 4})
    assert lost_in(found) == 7


def test_a_report_has_goals_figures_and_what_was_skipped(tmp_path: Path) -> None:
    page = render(result())
    assert "| `p99_ms` | ≤ 250 | 300 | **no** |" in page
    assert "| messages_per_second | 5200.0 | 5000.0 | 5400.0 |" in page
    assert "| core_ms_by_process: logic-0 | 0.12 |" in page
    assert "## latency" in page
    assert "media" in page
    for path in write_report(result(), tmp_path / "report"):
        if path.suffix == ".svg":
            ElementTree.parse(path)
        elif path.suffix == ".png":
            with Image.open(path) as picture:
                assert len(picture.getcolors(1 << 20) or []) > 4  # it is not blank


def test_results_are_compared_and_reported_from_files(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(result()))
    new.write_text(json.dumps(result(p99_ms=100.0)))
    ended = CliRunner().invoke(
        app, ["bench", "compare", str(old), str(new), "--only-changes", "--json"]
    )
    assert ended.exit_code == 0, ended.output
    assert [(one["key"], one["verdict"]) for one in json.loads(ended.output)] == [
        ("p99_ms", "better")
    ]
    ended = CliRunner().invoke(
        app, ["bench", "report", str(new), "--folder", str(tmp_path / "report")]
    )
    assert ended.exit_code == 0, ended.output
    assert (tmp_path / "report" / "report.md").exists()


def test_a_file_that_holds_no_result_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("[]")
    ended = CliRunner().invoke(app, ["bench", "report", str(bad)])
    assert ended.exit_code == 2
    assert "no result" in ended.output


def test_a_bench_that_is_not_there_is_named_with_those_that_are() -> None:
    ended = CliRunner().invoke(app, ["bench", "all", "--only", "nothing"])
    assert ended.exit_code == 2
    assert "throughput" in ended.output
