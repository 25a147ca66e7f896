"""The figures of the fan-out bench, from what its processes saw."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from bench.fanout import FanOutWorkload, figures_of
from bench.fanout_load import FanOutResult
from whimbrel.cli.app import app


def test_a_message_is_there_when_the_last_member_has_it() -> None:
    workload = FanOutWorkload(group_size=6, online=4, messages=2)
    one = FanOutResult({"0": [1_000, 9_000], "1": [2_000, 3_000]}, accepted_us=[500, 700])
    other = FanOutResult({"0": [4_000, 5_000], "1": [6_000, 5_000]})
    figures = figures_of(workload, [one, other])
    assert (figures.p50_ms, figures.p99_ms) == (6.0, 9.0)
    assert (figures.each_p50_ms, figures.each_p99_ms) == (4.0, 9.0)
    assert figures.accepted_p50_ms == 0.5
    assert figures.deliveries_per_second == pytest.approx(8 / 0.015, abs=0.1)
    assert (figures.messages, figures.lost, figures.duplicated) == (2, 0, 0)


def test_a_message_that_did_not_reach_everybody_is_lost_and_no_latency() -> None:
    workload = FanOutWorkload(group_size=6, online=4, messages=2)
    one = FanOutResult({"0": [1_000, 9_000], "1": [2_000]}, duplicated=1)
    other = FanOutResult({"0": [4_000, 5_000]})
    figures = figures_of(workload, [one, other])
    assert (figures.messages, figures.lost, figures.duplicated) == (1, 3, 1)
    assert figures.p99_ms == 9.0


def test_everybody_cannot_be_online_beside_the_sender() -> None:
    result = CliRunner().invoke(app, ["bench", "fanout", "--group-size", "10", "--online", "10"])
    assert result.exit_code == 2
    assert "--online" in result.output
