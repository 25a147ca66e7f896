"""Makes Kubernetes objects of the alert rules and of the dashboard, which are written once.

`python tools/build_observability.py` after a change of k8s/observability/alerts.rules.yml or
dashboard.json. What it makes is committed, because kustomize reads it; a test holds it fresh.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent.parent / "k8s" / "observability"
HEADER = "# Made by tools/build_observability.py of {source}. Do not edit.\n"
PART_OF = {"app.kubernetes.io/part-of": "whimbrel"}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and lists within what they belong to."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def rule_object(folder: Path = FOLDER) -> str:
    """The rules as the Prometheus Operator takes them."""
    rules = yaml.safe_load((folder / "alerts.rules.yml").read_text())
    return _object(
        "alerts.rules.yml",
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "whimbrel", "labels": PART_OF},
            "spec": rules,
        },
    )


def dashboard_object(folder: Path = FOLDER) -> str:
    """The dashboard as Grafana's sidecar finds it, by its label."""
    text = (folder / "dashboard.json").read_text()
    json.loads(text)  # raises for what Grafana could not read either
    return _object(
        "dashboard.json",
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "whimbrel-dashboard",
                "labels": {**PART_OF, "grafana_dashboard": "1"},
            },
            "data": {"whimbrel.json": text},
        },
    )


def _object(source: str, content: dict[str, Any]) -> str:
    body = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=100)
    return HEADER.format(source=source) + body


if __name__ == "__main__":
    (FOLDER / "prometheus-rule.yaml").write_text(rule_object())
    (FOLDER / "dashboard.yaml").write_text(dashboard_object())
