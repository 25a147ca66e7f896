"""Objects for the tests: as small as the real server takes them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

PART_OF = {"app.kubernetes.io/part-of": "whimbrel"}
_CONTAINERS = [{"name": "access", "image": "whimbrel:test"}]


def labels_of(role: str, revision: str | None = None) -> dict[str, str]:
    hashed = {} if revision is None else {"pod-template-hash": revision}
    return {**PART_OF, "app.kubernetes.io/component": role, **hashed}


def pod(
    name: str,
    *,
    node: str = "",
    role: str = "access",
    revision: str = "r1",
    grace_seconds: int = 40,
    annotations: dict[str, str] | None = None,
    tolerations: list[Json] | None = None,
) -> Json:
    spec: Json = {"containers": _CONTAINERS, "terminationGracePeriodSeconds": grace_seconds}
    if node:
        spec["nodeName"] = node
    if tolerations:
        spec["tolerations"] = tolerations
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": labels_of(role, revision),
            "annotations": annotations or {},
        },
        "spec": spec,
    }


def ready(is_ready: bool = True) -> Json:
    """A status."""
    return {
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if is_ready else "False"}],
        }
    }


def node(name: str, *, zone: str = "") -> Json:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def room() -> Json:
    """The status of a node that takes pods."""
    have = {"cpu": "64", "memory": "64Gi", "pods": "100"}
    ready_condition = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {"status": {"capacity": have, "allocatable": have, "conditions": [ready_condition]}}


def deployment(name: str, *, role: str = "access", replicas: int = 3) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels_of(role)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels_of(role)},
            "template": {
                "metadata": {"labels": labels_of(role), "annotations": {}},
                "spec": {"containers": _CONTAINERS},
            },
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
            },
        },
    }


def replica_set(
    owner: Json, revision: str, *, number: int, restarted_at: str | None = None
) -> Json:
    """What the Deployment controller makes of a template."""
    role = owner["metadata"]["labels"]["app.kubernetes.io/component"]
    labels = labels_of(role, revision)
    notes = {} if restarted_at is None else {"kubectl.kubernetes.io/restartedAt": restarted_at}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{owner['metadata']['name']}-{revision}",
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": owner["metadata"]["name"],
                    "uid": owner["metadata"]["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": notes},
                "spec": {"containers": _CONTAINERS},
            },
        },
    }


def autoscaler(name: str, deployment_name: str) -> Json:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": deployment_name,
            },
            "minReplicas": 2,
            "maxReplicas": 5,
        },
    }


def budget(name: str, role: str = "access") -> Json:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels_of(role)}},
    }


def disruptions(allowed: int, *, generation: int = 1) -> Json:
    """A budget's status."""
    return {
        "status": {
            "observedGeneration": generation,
            "disruptionsAllowed": allowed,
            "currentHealthy": 3,
            "desiredHealthy": 2,
            "expectedPods": 3,
        }
    }
