"""Figures on their way: each name that somebody watches is one that the code shows, Prometheus
may reach every pod, and the autoscaler's metric arrives under the name that it asks for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.expositions import SERIES
from tests.k8s.manifests import K8S, ROLES, ROOT, VARIANTS, selects, settings_of, variant
from whimbrel.runtime.metrics_endpoint import PATH

PAGES = sorted((ROOT / "docs").rglob("*.md"))
METRICS_PAGE = ROOT / "docs" / "operations" / "metrics.md"
MONITORED = ["observability", "production"]
_SERIES = re.compile(rf"\bwhimbrel_(?:{'|'.join(ROLES)}|service|timeline)_[a-z0-9_]+\b")


def named_in(path: Path) -> set[str]:
    """Every series that a file names."""
    return set(_SERIES.findall(path.read_text()))


def endpoint(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The only PodMonitor's spec, and its only endpoint."""
    (monitor,) = variant(name).of("PodMonitor")
    (found,) = monitor["spec"]["podMetricsEndpoints"]
    return monitor["spec"], found


def test_every_series_that_a_manifest_names_is_one_that_the_code_shows() -> None:
    named = {series for path in K8S.rglob("*.yaml") for series in named_in(path)}
    assert named, "the autoscaler's, at least"
    assert named <= set(SERIES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_series_that_a_page_names_is_one_that_the_code_shows(page: Path) -> None:
    assert named_in(page) <= set(SERIES)


def test_the_page_of_the_metrics_has_all_of_them() -> None:
    assert named_in(METRICS_PAGE) == set(SERIES)


@pytest.mark.parametrize("name", ["autoscaling", "production"])
def test_the_autoscaler_reads_a_metric_of_the_pods_that_it_scales(name: str) -> None:
    (autoscaler,) = variant(name).of("HorizontalPodAutoscaler")
    (metric,) = autoscaler["spec"]["metrics"]
    assert metric["type"] == "Pods"
    series = metric["pods"]["metric"]["name"]
    assert SERIES[series] == autoscaler["spec"]["scaleTargetRef"]["name"]
    assert not series.endswith("_total"), "a level, which an average of pods makes sense of"


def test_the_adapter_s_rule_serves_the_series_under_the_autoscaler_s_name() -> None:
    text = (ROOT / "docs" / "operations" / "kubernetes.md").read_text()
    (block,) = [b for b in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "seriesQuery" in b]
    (rule,) = yaml.safe_load(block)["rules"]
    (autoscaler,) = variant("production").of("HorizontalPodAutoscaler")
    wanted = autoscaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert rule["name"] == {"as": wanted}
    assert rule["seriesQuery"].startswith(f"{wanted}{{")
    # The labels that a PodMonitor gives each series, as the resources that the API is asked for.
    overrides = rule["resources"]["overrides"]
    assert overrides == {label: {"resource": label} for label in ("namespace", "pod")}
    assert all(f'{label}!=""' in rule["seriesQuery"] for label in overrides)


@pytest.mark.parametrize("name", MONITORED)
def test_every_pod_of_ours_is_found_by_the_name_of_its_port_and_no_other(name: str) -> None:
    manifests = variant(name)
    spec, found = endpoint(name)
    assert set(spec) == {"selector", "podTargetLabels", "podMetricsEndpoints"}
    assert set(found) == {"port", "path", "interval", "scrapeTimeout"}
    assert found["path"] == PATH
    chosen = [one for one in manifests.workloads if selects(spec["selector"], one.labels)]
    assert {one.name for one in chosen} == set(ROLES)
    for each in chosen:
        assert found["port"] in each.ports
        assert set(spec["podTargetLabels"]) <= set(each.labels)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_port_of_the_metrics_is_open_for_those_who_watch_only(name: str) -> None:
    manifests = variant(name)
    openings = [
        (role, rule.get("from"))
        for role in ROLES
        for policy in manifests.of("NetworkPolicy")
        if selects(policy["spec"]["podSelector"], manifests.workload(role).labels)
        for rule in policy["spec"].get("ingress", ())
        if manifests.workload(role).ports["metrics"] in {port["port"] for port in rule["ports"]}
    ]
    watchers = [{"namespaceSelector": {"matchLabels": {"whimbrel.io/monitoring": "true"}}}]
    assert openings == ([(role, watchers) for role in ROLES] if name in MONITORED else [])


@pytest.mark.parametrize("role", ROLES)
def test_every_service_s_traces_go_to_the_collector_of_the_local_overlay(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = variant("local")
    sender, collector = manifests.workload(role), manifests.workload("collector")
    settings = settings_of(manifests, role, monkeypatch)
    assert settings.tracing.ratio == 1
    host, _, port = (settings.otlp_endpoint or "").removeprefix("http://").partition(":")
    service = manifests.one("Service", host)["spec"]
    assert selects({"matchLabels": service["selector"]}, collector.labels)
    assert int(port) in {each["port"] for each in service["ports"]}
    assert int(port) in manifests.reaches(sender, collector)


@pytest.mark.parametrize("name", sorted({*VARIANTS} - {"local"}))
def test_elsewhere_nobody_sends_traces_unless_told_where(name: str) -> None:
    manifests = variant(name)
    for role in ROLES:
        environment = manifests.environment(manifests.workload(role))
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in environment
