"""A platform and a lease in memory, for tests: what a Deployment does, without processes.

Pods are names. `auto` pods are ready at once and gone as soon as they are told to stop; otherwise
the test says when (`set_ready`, `remove`), because it has something that stands for the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from services.drain.ports import PlatformPod, PlatformView, Tenure, Workload
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid, unavailable

GRACE_SECONDS = 30.0


class MemoryPlatform:
    """A Platform. `surge` pods beyond the wanted number while a rollout is under way; pods that
    are being stopped do not count, as in Kubernetes."""

    def __init__(self, *, auto: bool = True, zones: int = 3) -> None:
        self.away = False
        """True: everything raises UNAVAILABLE."""
        self.calls: list[str] = []
        """What was asked for, in order ("scale access 2")."""
        self._auto = auto
        self._zones = zones
        self._pods: dict[str, PlatformPod] = {}
        self._workloads: dict[str, Workload] = {}
        self._surges: dict[str, int] = {}
        self._made: dict[str, int] = {}
        self._revisions = 0
        self._breaks = 0
        self._changed = asyncio.Event()

    # --- for the test ----------------------------------------------------------------

    @property
    def pods(self) -> dict[str, PlatformPod]:
        """As they are now."""
        return dict(self._pods)

    def add_workload(self, role: str, replicas: int, revision: str = "r0") -> None:
        """A role, with its pods ("access-0", "access-1", …)."""
        self._workloads[role] = Workload(role, replicas, revision)
        self._settle(role)

    def change(
        self,
        pod_id: str,
        *,
        drain_wanted: bool | None = None,
        deleted_in_seconds: float | None = None,
    ) -> None:
        """Somebody cordons the pod's node or lifts that, or deletes it."""
        pod = self._pods[pod_id]
        if drain_wanted is not None:
            pod = replace(pod, drain_wanted=drain_wanted)
        if deleted_in_seconds is not None:
            pod = replace(pod, deleted_in_seconds=deleted_in_seconds, ready=False)
        self._pods[pod_id] = pod
        self._settle(pod.role)

    def set_ready(self, pod_id: str, *, is_ready: bool = True) -> None:
        """The process has said that it is healthy, or is no longer."""
        pod = self._pods.get(pod_id)
        if pod is not None:
            self._pods[pod_id] = replace(pod, ready=is_ready)
            self._settle(pod.role)

    def remove(self, pod_id: str) -> None:
        """The process has ended."""
        pod = self._pods.pop(pod_id, None)
        if pod is not None:
            self._settle(pod.role)

    def break_watches(self) -> None:
        """Whoever watches is cut off with UNAVAILABLE, and may watch again."""
        self._breaks += 1
        self._tell()

    # --- Platform --------------------------------------------------------------------

    async def watch(self) -> AsyncIterator[PlatformView]:
        breaks = self._breaks
        while True:
            self._check()
            if breaks != self._breaks:
                raise unavailable("the watch was broken off")
            changed = self._changed
            yield PlatformView(
                tuple(pod for _, pod in sorted(self._pods.items())),
                tuple(one for _, one in sorted(self._workloads.items())),
            )
            await changed.wait()

    async def scale(self, role: str, replicas: int) -> None:
        workload = self._workload(role)
        self.calls.append(f"scale {role} {replicas}")
        self._workloads[role] = replace(workload, replicas=replicas)
        self._settle(role)

    async def restart(self, role: str, surge: int) -> str:
        workload = self._workload(role)
        if surge < 1:
            raise invalid("a restart without a surge would be an outage")
        self.calls.append(f"restart {role} {surge}")
        self._revisions += 1
        revision = f"r{self._revisions}"
        self._surges[role] = surge
        self._workloads[role] = replace(workload, revision=revision)
        self._settle(role)
        return revision

    async def set_deletion_cost(self, pod_id: str, cost: int) -> None:
        pod = self._pod(pod_id)
        self.calls.append(f"cost {pod_id} {cost}")
        self._pods[pod_id] = replace(pod, deletion_cost=cost)
        self._tell()

    async def release(self, pod_id: str) -> None:
        pod = self._pod(pod_id)
        self.calls.append(f"release {pod_id}")
        self._stop(pod)
        self._settle(pod.role)

    # --- inside ----------------------------------------------------------------------

    def _check(self) -> None:
        if self.away:
            raise unavailable("the platform does not answer")

    def _pod(self, pod_id: str) -> PlatformPod:
        self._check()
        if pod_id not in self._pods:
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"there is no pod {pod_id}")
        return self._pods[pod_id]

    def _workload(self, role: str) -> Workload:
        self._check()
        if role not in self._workloads:
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"there is no workload {role}")
        return self._workloads[role]

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _settle(self, role: str) -> None:
        """Do what a Deployment does until nothing is left to do."""
        while self._step(self._workloads[role]):
            pass
        self._tell()

    def _step(self, workload: Workload) -> bool:
        alive = [
            pod
            for pod in self._pods.values()
            if pod.role == workload.role and pod.deleted_in_seconds is None
        ]
        old = [pod for pod in alive if pod.revision != workload.revision]
        new = len(alive) - len(old)
        limit = workload.replicas + (self._surges.get(workload.role, 1) if old else 0)
        if len(alive) < limit and new < workload.replicas:
            self._make(workload)
            return True
        ready = sum(pod.ready for pod in alive)
        surplus = len(alive) - workload.replicas
        victims = old if old and new else alive
        # An old pod goes only when enough others are ready; one that is not ready goes at once.
        victim = min(victims, key=lambda pod: (pod.ready, pod.deletion_cost, pod.pod_id))
        if surplus > 0 and (ready > workload.replicas or not victim.ready or not old):
            self._stop(victim)
            return True
        return False

    def _make(self, workload: Workload) -> None:
        number = self._made.get(workload.role, 0)
        self._made[workload.role] = number + 1
        pod_id = f"{workload.role}-{number}"
        self._pods[pod_id] = PlatformPod(
            pod_id,
            workload.role,
            workload.revision,
            node=f"n{number}",
            zone=f"z{number % self._zones}",
            ready=self._auto,
        )

    def _stop(self, pod: PlatformPod) -> None:
        if self._auto:
            self._pods.pop(pod.pod_id, None)
        elif pod.deleted_in_seconds is None:
            self._pods[pod.pod_id] = replace(pod, deleted_in_seconds=GRACE_SECONDS, ready=False)


class MemoryLease:
    """What the candidates of one leadership share. `clock` gives seconds, `wall_clock` too."""

    def __init__(
        self,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        *,
        duration_seconds: float = 15.0,
    ) -> None:
        self.holder = ""
        self.term = 0
        self.until = 0.0
        self.away = False
        self.clock = clock
        self.wall_clock = wall_clock
        self.duration_seconds = duration_seconds

    def forget(self) -> None:
        """The object is lost, as when somebody deletes it."""
        self.holder, self.term, self.until = "", 0, 0.0


class MemoryLeadership:
    """A Leadership: one candidate for a MemoryLease."""

    def __init__(self, lease: MemoryLease, holder: str) -> None:
        self._lease = lease
        self._holder = holder

    async def hold(self, min_term: int) -> Tenure:
        lease = self._lease
        if lease.away:
            raise unavailable("the platform does not answer")
        now = lease.clock()
        is_free = not lease.holder or now >= lease.until
        if is_free:
            lease.term = max(lease.term + 1, min_term + 1, round(lease.wall_clock() * 1000))
            lease.holder = self._holder
        if lease.holder == self._holder:
            lease.until = now + lease.duration_seconds
        return Tenure(lease.term, lease.holder, lease.holder == self._holder)

    async def resign(self) -> None:
        if not self._lease.away and self._lease.holder == self._holder:
            self._lease.holder = ""
