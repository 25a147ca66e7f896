"""Changes to Deployments: scale and restart.

Both read, decide and write with the version that was read, so that nobody's change in between is
overwritten: a 409 means read and decide again.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from services.drain.adapters.kubernetes_calls import Json, KubernetesCalls, KubernetesError
from services.drain.adapters.view_kubernetes import (
    RESTARTED_ANNOTATION,
    newest,
    replica_set_facts,
)
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid, unavailable

T = TypeVar("T")

_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

PENDING: Final = "pending"
"""The revision of a restart whose ReplicaSet has not appeared in time; the view tells it later."""

_ATTEMPTS: Final = 6
_CONFLICT_SECONDS: Final = 0.2
"""Upper bound of the wait after a 409: a Deployment's status is written several times a second
while it rolls."""
_REVISION_SECONDS: Final = 5.0
_REVISION_POLL_SECONDS: Final = 0.1
_SAME_RESTART_SECONDS: Final = 60.0
"""A restart that is asked for again within this time, while the first one is still rolling, is
the same one: the caller did not get our answer."""


class KubernetesWorkloads:
    """The Deployments of one namespace that `selector` matches; `role_label` tells the role."""

    def __init__(
        self,
        calls: KubernetesCalls,
        *,
        namespace: str,
        selector: str,
        role_label: str,
        wall_clock: Callable[[], float] = time.time,
        revision_seconds: float = _REVISION_SECONDS,
    ) -> None:
        self._calls = calls
        self._selector = selector
        self._role_label = role_label
        self._wall_clock = wall_clock
        self._revision_seconds = revision_seconds
        apps = f"/apis/apps/v1/namespaces/{namespace}"
        self._deployments = f"{apps}/deployments"
        self._replica_sets = f"{apps}/replicasets"
        self._autoscalers = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"

    async def scale(self, role: str, replicas: int) -> None:
        """As the port says. INVALID_ARGUMENT where an autoscaler owns the number: it would be
        set back within seconds, and the pod that was drained would have been for nothing."""
        if replicas < 0:
            raise invalid(f"replicas must not be negative, not {replicas}")
        await _with_reads_again(lambda: self._try_to_scale(role, replicas))

    async def restart(self, role: str, surge: int) -> str:
        """As the port says; `surge` 0 leaves the Deployment's own. The new revision is that of
        the ReplicaSet which appears for it, or PENDING after 5 s."""
        if surge < 0:
            raise invalid(f"surge must not be negative, not {surge}")
        name, restarted_at = await _with_reads_again(lambda: self._try_to_restart(role, surge))
        return await self._revision_of(name, restarted_at)

    async def _try_to_scale(self, role: str, replicas: int) -> None:
        deployment = await self._find(role)
        name = deployment["metadata"]["name"]
        if owner := await self._autoscaler_of(name):
            raise invalid(
                f"the HorizontalPodAutoscaler {owner} owns the replicas of {role}: "
                "change its minReplicas and maxReplicas, or remove it"
            )
        if deployment["spec"].get("replicas") == replicas:
            return
        version = deployment["metadata"]["resourceVersion"]
        await self._calls.patch(
            f"{self._deployments}/{name}/scale",
            {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}},
        )

    async def _try_to_restart(self, role: str, surge: int) -> tuple[str, str]:
        deployment = await self._find(role)
        name = deployment["metadata"]["name"]
        if begun := self._restart_in_progress(deployment):
            return name, begun
        restarted_at = datetime.fromtimestamp(self._wall_clock(), UTC).isoformat()
        spec: Json = {
            "template": {"metadata": {"annotations": {RESTARTED_ANNOTATION: restarted_at}}}
        }
        if surge:
            spec["strategy"] = {"rollingUpdate": {"maxSurge": surge}}
        version = deployment["metadata"]["resourceVersion"]
        await self._calls.patch(
            f"{self._deployments}/{name}",
            {"metadata": {"resourceVersion": version}, "spec": spec},
        )
        return name, restarted_at

    def _restart_in_progress(self, deployment: Json) -> str | None:
        """When the restart began that is rolling now and may be the one that is asked for."""
        notes = deployment["spec"]["template"]["metadata"].get("annotations") or {}
        begun: str = notes.get(RESTARTED_ANNOTATION, "")
        try:
            age = self._wall_clock() - datetime.fromisoformat(begun).timestamp()
        except ValueError:
            return None
        status = deployment.get("status") or {}
        is_rolling = (
            status.get("observedGeneration", 0) < deployment["metadata"]["generation"]
            or status.get("updatedReplicas", 0) < deployment["spec"].get("replicas", 1)
            or status.get("replicas", 0) > status.get("updatedReplicas", 0)
        )
        return begun if is_rolling and age < _SAME_RESTART_SECONDS else None

    async def _revision_of(self, deployment: str, restarted_at: str) -> str:
        """The restart has begun, so what fails from here on only costs the name."""
        try:
            async with asyncio.timeout(self._revision_seconds):
                while True:
                    answer = await self._calls.get(self._replica_sets, labelSelector=self._selector)
                    facts = [replica_set_facts(each) for each in answer.get("items") or ()]
                    own = [each for each in facts if each.restarted_at == restarted_at]
                    if found := newest(own, deployment):
                        return found.revision
                    await asyncio.sleep(_REVISION_POLL_SECONDS)
        except (TimeoutError, WhimbrelError):
            return PENDING

    async def _find(self, role: str) -> Json:
        if not _LABEL_VALUE.fullmatch(role):  # it must not become another selector
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"no Deployment can have the role {role!r}")
        selector = f"{self._selector},{self._role_label}={role}"
        answer = await self._calls.get(self._deployments, labelSelector=selector)
        found = answer.get("items") or []
        if not found:
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"no Deployment has the role {role!r}")
        if len(found) > 1:
            names = ", ".join(each["metadata"]["name"] for each in found)
            raise invalid(f"more than one Deployment has the role {role!r}: {names}")
        deployment: Json = found[0]
        return deployment

    async def _autoscaler_of(self, deployment: str) -> str | None:
        answer = await self._calls.get(self._autoscalers)
        for each in answer.get("items") or ():
            target = each["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) == ("Deployment", deployment):
                name: str = each["metadata"]["name"]
                return name
        return None


async def _with_reads_again(attempt: Callable[[], Awaitable[T]]) -> T:
    for _ in range(_ATTEMPTS):
        try:
            return await attempt()
        except KubernetesError as error:
            if not error.is_conflict:
                raise
            await asyncio.sleep(random.random() * _CONFLICT_SECONDS)
    raise unavailable("others keep changing the Deployment")
