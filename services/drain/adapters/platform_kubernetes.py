"""The Platform on Kubernetes. The view comes from four watches, everything else is a call.

Pods, Deployments and ReplicaSets are those of one namespace that carry the selector's labels;
nodes are all of the cluster's, since a pod may be on any. What the calls may do is listed in
`kubernetes_permissions`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from services.drain.adapters.kubernetes_calls import KubernetesCalls, KubernetesError
from services.drain.adapters.view_kubernetes import (
    COST_ANNOTATION,
    deployment_facts,
    node_facts,
    pod_facts,
    replica_set_facts,
    view_of,
)
from services.drain.adapters.watch_kubernetes import Watched, WatchPolicy
from services.drain.adapters.workloads_kubernetes import KubernetesWorkloads
from services.drain.ports import PlatformView
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable

_POD_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

_BUDGET_RETRY_SECONDS: Final = 5.0
"""After an eviction that a PodDisruptionBudget refused and that came without Retry-After: about
as long as a pod elsewhere takes to become ready."""


class KubernetesPlatform:
    """A Platform. `wall_clock` is seconds since the Unix epoch: deletion timestamps are the API
    server's, so a skew between it and us shifts `deleted_in_seconds` by as much."""

    def __init__(
        self,
        calls: KubernetesCalls,
        *,
        namespace: str,
        selector: str,
        role_label: str,
        policy: WatchPolicy | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._calls = calls
        self._selector = selector
        self._role_label = role_label
        self._policy = policy or WatchPolicy()
        self._wall_clock = wall_clock
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._apps = f"/apis/apps/v1/namespaces/{namespace}"
        self._workloads = KubernetesWorkloads(
            calls,
            namespace=namespace,
            selector=selector,
            role_label=role_label,
            wall_clock=wall_clock,
        )

    async def watch(self) -> AsyncGenerator[PlatformView, None]:
        """As the port says; breaks that heal within half a minute are healed here. Close the
        iterator (`aclosing`): it owns the four watches."""
        changed = asyncio.Event()

        def watched(path: str, project: Any, selector: str = self._selector) -> Watched[Any]:
            return Watched(self._calls, path, selector, project, changed.set, policy=self._policy)

        pods = watched(self._pods, partial(pod_facts, role_label=self._role_label))
        nodes = watched("/api/v1/nodes", node_facts, selector="")
        deployments = watched(
            f"{self._apps}/deployments", partial(deployment_facts, role_label=self._role_label)
        )
        replica_sets = watched(f"{self._apps}/replicasets", replica_set_facts)
        kinds = (pods, nodes, deployments, replica_sets)
        runs = [asyncio.create_task(each.run()) for each in kinds]
        for run in runs:
            run.add_done_callback(lambda _: changed.set())
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._policy.relist_seconds):
                        await changed.wait()
                changed.clear()
                for run in runs:
                    if run.done():
                        run.result()  # it ends only by raising
                if all(each.is_listed for each in kinds):
                    yield view_of(
                        pods.facts,
                        nodes.facts,
                        deployments.facts,
                        replica_sets.facts,
                        now=self._wall_clock(),
                    )
        finally:
            for run in runs:
                run.cancel()
            await asyncio.gather(*runs, return_exceptions=True)

    async def scale(self, role: str, replicas: int) -> None:
        await self._workloads.scale(role, replicas)

    async def restart(self, role: str, surge: int) -> str:
        return await self._workloads.restart(role, surge)

    async def set_deletion_cost(self, pod_id: str, cost: int) -> None:
        # A plain merge, without the version that was read: nobody else writes this annotation.
        await self._calls.patch(
            f"{self._pods}/{_checked(pod_id)}",
            {"metadata": {"annotations": {COST_ANNOTATION: str(cost)}}},
        )

    async def release(self, pod_id: str) -> None:
        """As the port says, by an eviction and not by a deletion, so that PodDisruptionBudgets
        are respected; one that refuses is UNAVAILABLE. NOT_FOUND once the pod is gone."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod_id}}
        try:
            await self._calls.create(f"{self._pods}/{_checked(pod_id)}/eviction", eviction)
        except KubernetesError as error:
            if error.status != 429:
                raise
            raise unavailable(
                f"a PodDisruptionBudget keeps {pod_id}: {error.detail}",
                retry_after_seconds=error.asked_seconds or _BUDGET_RETRY_SECONDS,
            ) from error


def _checked(pod_id: str) -> str:
    """As a part of a path; what cannot be a pod's name must not become a way to elsewhere."""
    if not _POD_NAME.fullmatch(pod_id):
        raise WhimbrelError(ErrorCode.NOT_FOUND, f"no pod can be named {pod_id!r}")
    return pod_id
