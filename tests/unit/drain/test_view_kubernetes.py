"""Objects of Kubernetes are read as what they mean, however odd they are."""

from __future__ import annotations

from typing import Any

import pytest

from services.drain.adapters.view_kubernetes import (
    deployment_facts,
    node_facts,
    pod_facts,
    replica_set_facts,
    view_of,
)
from services.drain.ports import PlatformPod, PlatformView

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
ROLE = "role"


def pod(**changes: Any) -> dict[str, Any]:
    meta = {"name": "a-1", "labels": {ROLE: "access"}, **changes.pop("metadata", {})}
    return {"metadata": meta, **changes}


def shown(pods: list[dict[str, Any]], nodes: dict[str, dict[str, Any]] | None = None) -> Any:
    facts = [pod_facts(each, ROLE) for each in pods]
    return view_of(
        {each.name: each for each in facts},
        {name: node_facts(each) for name, each in (nodes or {}).items()},
        {},
        {},
        now=NOW,
    )


def the_only(view: PlatformView) -> PlatformPod:
    (only,) = view.pods
    return only


def on_node(taint: dict[str, str], *tolerations: dict[str, Any]) -> bool:
    """Whether a pod on a node with this taint shall be drained."""
    node = {"metadata": {}, "spec": {"taints": [taint]}}
    spec = {"nodeName": "n", "tolerations": list(tolerations)}
    return the_only(shown([pod(spec=spec)], {"n": node})).drain_wanted


def test_a_pod_without_anything_optional_is_shown() -> None:
    assert the_only(shown([pod()])) == PlatformPod("a-1", "access", "")


@pytest.mark.parametrize(
    ("timestamp", "left"),
    [
        ("2027-01-15T08:00:40Z", 40.0),
        ("2027-01-15T09:00:40+01:00", 40.0),
        ("2027-01-15T07:59:00Z", 0.0),
    ],
)
def test_what_is_left_of_a_deleted_pod_is_never_negative(timestamp: str, left: float) -> None:
    assert (
        the_only(shown([pod(metadata={"deletionTimestamp": timestamp})])).deleted_in_seconds == left
    )


@pytest.mark.parametrize(("text", "cost"), [("-5", -5), ("7", 7), ("much", 0), ("", 0), ("1.5", 0)])
def test_a_cost_that_is_no_number_is_none(text: str, cost: int) -> None:
    notes = {"controller.kubernetes.io/pod-deletion-cost": text}
    assert the_only(shown([pod(metadata={"annotations": notes})])).deletion_cost == cost


@pytest.mark.parametrize("value", ["True", "yes", "false", ""])
def test_only_the_word_true_asks_for_a_drain(value: str) -> None:
    notes = {"whimbrel.io/drain": value}
    assert not the_only(shown([pod(metadata={"annotations": notes})])).drain_wanted


TAINT = {"key": "upkeep", "value": "now", "effect": "NoExecute"}


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "upkeep", "operator": "Exists"},
        {"key": "upkeep", "value": "now"},
        {"key": "upkeep", "operator": "Equal", "value": "now", "effect": "NoExecute"},
    ],
)
def test_a_taint_that_the_pod_tolerates_for_ever_asks_for_nothing(
    toleration: dict[str, Any],
) -> None:
    assert not on_node(TAINT, toleration)


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "other", "operator": "Exists"},
        {"key": "upkeep", "value": "later"},
        {"key": "upkeep", "value": "now", "effect": "NoSchedule"},
        {"key": "upkeep", "operator": "Exists", "tolerationSeconds": 300},
    ],
)
def test_a_taint_that_it_does_not_tolerate_or_not_for_ever_asks_for_a_drain(
    toleration: dict[str, Any],
) -> None:
    assert on_node(TAINT, toleration)


def test_a_cordon_holds_also_for_a_pod_that_tolerates_everything() -> None:
    node = {"metadata": {}, "spec": {"unschedulable": True}}
    spec = {"nodeName": "n", "tolerations": [{"operator": "Exists"}]}
    assert the_only(shown([pod(spec=spec)], {"n": node})).drain_wanted


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("node.kubernetes.io/not-ready", False),
        ("node.kubernetes.io/unreachable", False),
        ("node.kubernetes.io/out-of-service", True),
    ],
)
def test_a_nodes_bad_health_is_no_wish_of_anybody(key: str, wanted: bool) -> None:
    assert on_node({"key": key, "effect": "NoExecute"}) == wanted


def test_a_workload_without_a_replica_set_has_no_revision_yet() -> None:
    meta = {"name": "d", "labels": {ROLE: "access"}}
    facts = deployment_facts({"metadata": meta, "spec": {}}, ROLE)
    stranger = replica_set_facts({"metadata": {"name": "r", "labels": {"pod-template-hash": "x"}}})
    view = view_of({}, {}, {"d": facts}, {"r": stranger}, now=NOW)
    (workload,) = view.workloads
    assert (workload.replicas, workload.revision) == (1, "")
