"""Each alert comes when it shall, and does not come when things are only nearly so bad.

The cases are in k8s/observability/tests, in the format of Prometheus' own `promtool`, which plays
them where it is on the PATH. That there are cases, of figures that the code shows, is held always.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s.promql import read
from tests.k8s.test_alerts import ALERTS, FOLDER, GROUPS, LABELS, OF_THE_SCRAPER

FILES = sorted((FOLDER / "tests").glob("*.yaml"))
CASES: dict[str, list[dict[str, Any]]] = {
    path.stem: yaml.safe_load(path.read_text())["tests"] for path in FILES
}
every_file = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


def questions() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The file, the name of the case, and what it asks."""
    for stem, cases in CASES.items():
        for case in cases:
            for question in case["alert_rule_test"]:
                yield stem, case["name"], question


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool, which comes with Prometheus, is not on the PATH")
    return found


def test_every_alert_has_a_case_that_sets_it_off_and_one_that_does_not() -> None:
    asked = {
        (question["alertname"], bool(question["exp_alerts"])) for _, _, question in questions()
    }
    assert asked == {(rule["alert"], fires) for rule in ALERTS for fires in (True, False)}


def test_a_case_is_called_after_its_alert_and_stands_in_the_file_of_its_group() -> None:
    group_of = {
        rule["alert"]: group["name"].removeprefix("whimbrel-")
        for group in GROUPS
        for rule in group["rules"]
    }
    names = [case["name"] for cases in CASES.values() for case in cases]
    assert len(names) == len(set(names))
    for stem, name, question in questions():
        assert stem == group_of[question["alertname"]]
        assert name.startswith(f"{question['alertname']}: ")


@every_file
def test_samples_are_of_series_and_labels_that_the_code_shows(path: Path) -> None:
    for case in CASES[path.stem]:
        for one in case["input_series"]:
            (selector,) = read(one["series"]).selectors
            assert selector.name in LABELS, case["name"]
            assert set(selector.labels) <= LABELS[selector.name] | OF_THE_SCRAPER, case["name"]
            assert "pod" in selector.labels, "as the PodMonitor gives it"


@every_file
def test_samples_that_fire_are_not_those_that_do_not(path: Path) -> None:
    """Else a case would say nothing about the expression, only about the time."""
    shown = [
        (case["alert_rule_test"][0]["alertname"], str(case["input_series"]))
        for case in CASES[path.stem]
    ]
    assert len(shown) == len(set(shown))


def test_prometheus_takes_the_rules(promtool: str) -> None:
    rules = FOLDER / "alerts.rules.yml"
    checked = subprocess.run(
        [promtool, "check", "rules", str(rules)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@every_file
def test_prometheus_fires_as_the_cases_say(promtool: str, path: Path) -> None:
    played = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert played.returncode == 0, played.stdout + played.stderr
