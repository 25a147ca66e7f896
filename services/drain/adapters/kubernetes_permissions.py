"""What the controller may do on Kubernetes: exactly the calls that this folder makes.

The manifests' Role and ClusterRole are compared with this list by a test, and another one runs
the adapters and holds that they make no other call and leave none of these unused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Permission:
    """One rule of a Role, or of a ClusterRole when it is not `is_namespaced`."""

    api_group: str
    """Empty for the core group."""
    resource: str
    """With its subresource, after a slash."""
    verbs: frozenset[str]
    why: str
    is_namespaced: bool = True


PERMISSIONS: Final = (
    Permission(
        "", "pods", frozenset({"list", "watch", "patch"}), "the view; the deletion cost of a victim"
    ),
    Permission("", "pods/eviction", frozenset({"create"}), "release, which respects budgets"),
    Permission(
        "",
        "nodes",
        frozenset({"list", "watch"}),
        "zones, cordons and taints",
        is_namespaced=False,
    ),
    Permission(
        "apps",
        "deployments",
        frozenset({"list", "watch", "patch"}),
        "wanted replicas; the annotation that restarts",
    ),
    Permission("apps", "deployments/scale", frozenset({"patch"}), "scale"),
    Permission("apps", "replicasets", frozenset({"list", "watch"}), "which revision is the newest"),
    Permission(
        "autoscaling",
        "horizontalpodautoscalers",
        frozenset({"list"}),
        "not to scale what an autoscaler owns",
    ),
    Permission(
        "coordination.k8s.io",
        "leases",
        frozenset({"get", "create", "update"}),
        "leadership",
    ),
)
