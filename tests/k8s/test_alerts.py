"""Who is woken is told what to do, and by an expression over figures that there are.

Rules and dashboard name series, labels and values; each must be one that the code shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Sample
from prometheus_client.process_collector import ProcessCollector

from tests.expositions import EVERY, FAMILIES
from tests.k8s.manifests import K8S, ROOT, variant
from tests.k8s.promql import RANGED, Expression, UnreadableError, read
from tools.build_observability import dashboard_object, rule_object
from whimbrel.core.errors import ErrorCode

FOLDER = K8S / "observability"
GROUPS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.rules.yml").read_text())["groups"]
ALERTS: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
PAGE = (ROOT / "docs" / "operations" / "alerts.md").read_text()
OF_THE_SCRAPER = {"namespace", "pod", "process"}
"""Labels that the PodMonitor gives each series, and the parent of a pod with several processes."""
COUNTS = ("_total", "_bucket", "_count", "_sum")


def _samples() -> Iterator[Sample]:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for families in (*FAMILIES.values(), EVERY, registry.collect()):
        for family in families:
            yield from family.samples
    yield Sample("whimbrel_service_info", {"service": "access", "revision": "dev"}, 1.0)


LABELS: dict[str, set[str]] = {}
for one in _samples():
    LABELS.setdefault(one.name, set()).update(one.labels)


def expressions() -> Iterator[tuple[str, str]]:
    """Where each stands, and its text."""
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


EXPRESSIONS = list(expressions())
every_expression = pytest.mark.parametrize(
    "text",
    [text for _, text in EXPRESSIONS],
    ids=[f"{at}-{n}" for n, (at, _) in enumerate(EXPRESSIONS)],
)
every_alert = pytest.mark.parametrize("rule", ALERTS, ids=[rule["alert"] for rule in ALERTS])


@every_expression
def test_every_series_and_label_is_one_that_the_code_shows(text: str) -> None:
    expression = read(text)
    assert expression.selectors
    known = set(OF_THE_SCRAPER)
    for selector in expression.selectors:
        assert selector.name in LABELS, selector.name
        assert set(selector.labels) <= LABELS[selector.name] | OF_THE_SCRAPER, selector
        known |= LABELS[selector.name]
    assert expression.grouping <= known


@every_expression
def test_a_count_is_a_rate_and_a_level_is_none(text: str) -> None:
    """The sums of the auditor alone are read as they are: they must be 0 for ever."""
    for selector in read(text).selectors:
        is_count = selector.name.endswith(COUNTS) and not selector.name.startswith(
            ("whimbrel_timeline_holes", "whimbrel_timeline_repeats", "whimbrel_timeline_disag")
        )
        assert selector.is_ranged is is_count, selector


@every_expression
def test_nothing_divides_by_nothing(text: str) -> None:
    for divisor in read(text).divisors:
        assert divisor == "clamp_min" or float(divisor) > 0


@every_expression
def test_what_is_ranged_is_inside_a_function_for_ranges(text: str) -> None:
    expression = read(text)
    ranged = [selector for selector in expression.selectors if selector.is_ranged]
    assert len(ranged) == len([name for name in expression.functions if name in RANGED])


def values_of(series: str, label: str) -> set[str]:
    """The values that a label has in the code's own exposition."""
    return {one.labels[label] for one in _samples() if one.name == series and label in one.labels}


@every_expression
def test_a_value_that_is_asked_for_is_one_that_comes(text: str) -> None:
    open_ended = {"service", "pipeline", "reason", "status"}
    for selector in read(text).selectors:
        for label, (sign, value) in selector.labels.items():
            if label not in open_ended and sign in ("=", "!="):
                assert value in values_of(selector.name, label), selector
            if label == "code":
                assert ErrorCode[value.upper()]


@every_alert
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Whimbrel[A-Z]\w+", rule["alert"])
    assert re.fullmatch(r"\d+[smh]", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    told = rule["annotations"]
    assert set(told) == {"summary", "description"}
    assert told["summary"].endswith((".", ")."))
    assert len(told["description"]) > 80, "a sentence that says what to do"


@every_alert
def test_a_template_names_only_what_the_expression_leaves(rule: dict[str, Any]) -> None:
    expression = read(rule["expr"])
    said = " ".join(rule["annotations"].values())
    left = expression.grouping | {label for one in expression.selectors for label in one.labels}
    if not any(name in ("sum", "min", "max", "avg") for name in expression.functions):
        left |= OF_THE_SCRAPER
    assert set(re.findall(r"\$labels\.(\w+)", said)) <= left


def test_names_are_unique_and_each_has_its_place_on_the_page() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(names) == len(set(names))
    assert re.findall(r"^### (Whimbrel\w+)$", PAGE, re.MULTILINE) == names, "in the same order"


def test_the_limit_of_a_pod_is_the_one_of_the_manifests() -> None:
    (rule,) = (one for one in ALERTS if one["alert"] == "WhimbrelPodNearlyFull")
    manifests = variant("production")
    environment = manifests.environment(manifests.workload("access"))
    assert read(rule["expr"]).divisors == [environment["WHIMBREL_DRAIN__MAX_SESSIONS"]]


def test_what_the_operator_and_grafana_get_is_what_was_written() -> None:
    assert (FOLDER / "prometheus-rule.yaml").read_text() == rule_object()
    assert (FOLDER / "dashboard.yaml").read_text() == dashboard_object()
    manifests = variant("production")
    assert manifests.one("PrometheusRule", "whimbrel")["spec"]["groups"] == GROUPS
    shown = manifests.one("ConfigMap", "whimbrel-dashboard")["data"]["whimbrel.json"]
    assert json.loads(shown) == DASHBOARD


def test_the_dashboard_has_its_rows_and_no_two_panels_in_one_place() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == [
        *("People", "Messages", "Commit", "Delivery", "Drain"),
        *("Push and webhooks", "Calls", "Processes"),
    ]
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len(places) == len(set(places))
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "text", ["sum(x", "rate(x[5 m])", "unknown_function(x)", "x{a=b}", "sum by kind (x)", "x ? y"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        read(text)


def test_the_reader_sees_labels_groups_and_divisors() -> None:
    seen: Expression = read('sum by (le) (rate(a_total{b="c", d=~"e.."}[5m])) / clamp_min(f, 1)')
    assert seen.selectors[0].labels == {"b": ("=", "c"), "d": ("=~", "e..")}
    assert [(one.name, one.is_ranged) for one in seen.selectors] == [
        ("a_total", True),
        ("f", False),
    ]
    assert (seen.grouping, seen.divisors) == ({"le"}, ["clamp_min"])
