"""What Kubernetes objects mean for us. Pure: objects in, facts out, facts in, a view out.

Facts are the few fields that we look at, so that a change of any other one is no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.drain.ports import PlatformPod, PlatformView, Workload

Json = dict[str, Any]

DRAIN_ANNOTATION: Final = "whimbrel.io/drain"
COST_ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
RESTARTED_ANNOTATION: Final = "kubectl.kubernetes.io/restartedAt"
_REVISION_ANNOTATION: Final = "deployment.kubernetes.io/revision"
_HASH_LABEL: Final = "pod-template-hash"
_ZONE_LABEL: Final = "topology.kubernetes.io/zone"

_CONDITION_TAINTS: Final = "node.kubernetes.io/"
"""What the node controller says about a node's health (not-ready, memory-pressure, …). Nobody
wants those pods moved: a node that is not ready cannot be talked to, and pressure evicts by
itself."""
_OPERATOR_TAINTS: Final = {"node.kubernetes.io/unschedulable", "node.kubernetes.io/out-of-service"}


@dataclass(frozen=True)
class Taint:
    """A node's taint; only those that keep pods away."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Toleration:
    """A pod's toleration that has no end. An empty key or effect means any."""

    key: str
    value: str | None
    """None for any (the operator Exists)."""
    effect: str

    def covers(self, taint: Taint) -> bool:
        return (
            self.key in ("", taint.key)
            and self.value in (None, taint.value)
            and self.effect in ("", taint.effect)
        )


@dataclass(frozen=True)
class PodFacts:
    name: str
    role: str
    revision: str
    node: str
    is_ready: bool
    is_over: bool
    """Its containers have ended for good; only the object is left."""
    killed_at: float | None
    """Seconds since the Unix epoch when its grace is over: deletionTimestamp is that moment, not
    the one of the deletion."""
    is_annotated: bool
    deletion_cost: int
    tolerations: tuple[Toleration, ...]


@dataclass(frozen=True)
class NodeFacts:
    zone: str
    is_cordoned: bool
    taints: tuple[Taint, ...]


@dataclass(frozen=True)
class DeploymentFacts:
    name: str
    role: str
    replicas: int


@dataclass(frozen=True)
class ReplicaSetFacts:
    owner: str
    """The name of its Deployment; empty when it has none."""
    number: int
    """Rises with each roll-out; a rollback gives an old ReplicaSet the next number."""
    revision: str
    restarted_at: str


def pod_facts(pod: Json, role_label: str) -> PodFacts:
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    ready = {c["type"]: c["status"] for c in status.get("conditions") or ()}.get("Ready")
    return PodFacts(
        name=meta["name"],
        role=labels.get(role_label, ""),
        revision=labels.get(_HASH_LABEL, ""),
        node=spec.get("nodeName", ""),
        is_ready=ready == "True",
        is_over=status.get("phase") in ("Succeeded", "Failed"),
        killed_at=_seconds(meta.get("deletionTimestamp")),
        is_annotated=notes.get(DRAIN_ANNOTATION) == "true",
        deletion_cost=_number(notes.get(COST_ANNOTATION)),
        tolerations=tuple(
            Toleration(
                key=each.get("key", ""),
                value=None if each.get("operator") == "Exists" else each.get("value", ""),
                effect=each.get("effect", ""),
            )
            for each in spec.get("tolerations") or ()
            # With an end, the pod will be evicted all the same.
            if each.get("tolerationSeconds") is None
        ),
    )


def node_facts(node: Json) -> NodeFacts:
    spec = node.get("spec") or {}
    return NodeFacts(
        zone=(node["metadata"].get("labels") or {}).get(_ZONE_LABEL, ""),
        is_cordoned=bool(spec.get("unschedulable")),
        taints=tuple(
            Taint(taint["key"], taint.get("value", ""), taint["effect"])
            for taint in spec.get("taints") or ()
            if taint["effect"] in ("NoSchedule", "NoExecute")
            and (taint["key"] in _OPERATOR_TAINTS or not taint["key"].startswith(_CONDITION_TAINTS))
        ),
    )


def deployment_facts(deployment: Json, role_label: str) -> DeploymentFacts:
    meta = deployment["metadata"]
    replicas = (deployment.get("spec") or {}).get("replicas")
    return DeploymentFacts(
        name=meta["name"],
        role=(meta.get("labels") or {}).get(role_label, ""),
        replicas=1 if replicas is None else replicas,
    )


def replica_set_facts(replica_set: Json) -> ReplicaSetFacts:
    meta = replica_set["metadata"]
    template = ((replica_set.get("spec") or {}).get("template") or {}).get("metadata") or {}
    owners = [o["name"] for o in meta.get("ownerReferences") or () if o["kind"] == "Deployment"]
    return ReplicaSetFacts(
        owner=owners[0] if owners else "",
        number=_number((meta.get("annotations") or {}).get(_REVISION_ANNOTATION)),
        revision=(meta.get("labels") or {}).get(_HASH_LABEL, ""),
        restarted_at=(template.get("annotations") or {}).get(RESTARTED_ANNOTATION, ""),
    )


def newest(replica_sets: Iterable[ReplicaSetFacts], deployment: str) -> ReplicaSetFacts | None:
    """The ReplicaSet that new pods of the Deployment come from."""
    own = [each for each in replica_sets if each.owner == deployment]
    return max(own, key=lambda each: each.number, default=None)


def view_of(
    pods: Mapping[str, PodFacts],
    nodes: Mapping[str, NodeFacts],
    deployments: Mapping[str, DeploymentFacts],
    replica_sets: Mapping[str, ReplicaSetFacts],
    *,
    now: float,
) -> PlatformView:
    """Everything at one moment, sorted by name. `now` is seconds since the Unix epoch."""
    workloads: dict[str, Workload] = {}
    for _, each in sorted(deployments.items()):
        latest = newest(replica_sets.values(), each.name)
        if each.role:
            workload = Workload(each.role, each.replicas, latest.revision if latest else "")
            workloads.setdefault(each.role, workload)
    return PlatformView(
        pods=tuple(
            _platform_pod(pod, nodes.get(pod.node), now)
            for _, pod in sorted(pods.items())
            if pod.role and not pod.is_over
        ),
        workloads=tuple(workloads.values()),
    )


def _platform_pod(pod: PodFacts, node: NodeFacts | None, now: float) -> PlatformPod:
    return PlatformPod(
        pod_id=pod.name,
        role=pod.role,
        revision=pod.revision,
        node=pod.node,
        zone=node.zone if node else "",
        ready=pod.is_ready,
        deleted_in_seconds=None if pod.killed_at is None else max(0.0, pod.killed_at - now),
        drain_wanted=pod.is_annotated or (node is not None and _is_unwanted(pod, node)),
        deletion_cost=pod.deletion_cost,
    )


def _is_unwanted(pod: PodFacts, node: NodeFacts) -> bool:
    """The node is cordoned, or has a taint that the pod does not tolerate: it was put there
    after the pod (a taint of a node pool of our own is tolerated, and means nothing)."""
    if node.is_cordoned:
        return True
    return any(not any(t.covers(taint) for t in pod.tolerations) for taint in node.taints)


def _seconds(timestamp: str | None) -> float | None:
    return None if timestamp is None else datetime.fromisoformat(timestamp).timestamp()


def _number(text: str | None) -> int:
    """0 for what is no number: an annotation is whatever somebody has typed."""
    try:
        return int(text or 0)
    except ValueError:
        return 0
