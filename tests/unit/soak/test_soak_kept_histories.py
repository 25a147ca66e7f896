"""Histories of real runs with all faults are judged again: the checker must not change its mind.

They were made with `whimbrel soak --seconds 30 --users 30 --rate 100 --faults all`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whimbrel.cli.app import app
from whimbrel.testing.soak.checker import Checker
from whimbrel.testing.soak.events import Delivered, read_history

HISTORIES = sorted((Path(__file__).parents[2] / "data" / "histories").glob("*.jsonl.gz"))
MAX_BYTES = 2 * 1024 * 1024

every_history = pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)


def test_two_histories_are_kept() -> None:
    assert len(HISTORIES) == 2
    assert all(path.stat().st_size <= MAX_BYTES for path in HISTORIES)


@every_history
def test_a_kept_history_holds(path: Path) -> None:
    result = CliRunner().invoke(app, ["soak", "--check", str(path), "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["holds"]
    assert figures["accepted"] > 500
    assert figures["delivered"] > figures["accepted"]
    assert len(figures["faults"]) >= 3


@every_history
def test_a_kept_history_without_one_delivery_has_lost_it(path: Path) -> None:
    events = list(read_history(path))
    deliveries = [at for at, event in enumerate(events) if isinstance(event, Delivered)]
    dropped = events[deliveries[len(deliveries) // 2]]
    assert isinstance(dropped, Delivered)
    checker = Checker()
    for event in events:
        is_it = isinstance(event, Delivered) and (
            (event.client, event.message_id) == (dropped.client, dropped.message_id)
        )
        if not is_it:
            checker.add(event)
    verdict = checker.verdict()
    assert verdict.lost == 1
    assert verdict.violations == verdict.lost + verdict.counts["holes"]
