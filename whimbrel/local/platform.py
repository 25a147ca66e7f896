"""The laptop's platform: keeps as many pods of each role as are wanted, of the wanted revision.

It does with processes what a Deployment and a kubelet do with pods: starts a new one before an
old one goes, SIGTERM, grace, SIGKILL. Who is moved where is not its business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from whimbrel.api.platform.v1 import platform_pb2
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid
from whimbrel.local.errors import StackError
from whimbrel.local.keeper import Keeper, PartState
from whimbrel.local.workloads import PodNow, WantedPods, next_steps

ROLLED: Final = ("access", "logic", "push", "drain")
"""Roles whose pods may come and go. Routers stay: every other pod was told their addresses."""
_MIN_READY_SECONDS: Final = 1.5
"""A pod counts as ready when it has been healthy for so long: the others know it by then."""
_LOOK_SECONDS: Final = 0.3
_MAX_PODS: Final = 32
_RETRY_SECONDS: Final = 2.0


@dataclass
class _Pod:
    keeper: Keeper | None
    """None while it is being started."""
    role: str
    number: int
    revision: str
    deletion_cost: int = 0
    drain_wanted: bool = False
    healthy_since: float | None = None
    killed_at: float | None = None
    """Monotonic seconds at which its grace is over; None while it is not being stopped."""
    is_ending: bool = False
    """Somebody sees to its end."""


class LocalPlatform:
    """The pods of one stack. `run` owns every start and stop."""

    def __init__(
        self,
        start_pod: Callable[[str, str], Awaitable[Keeper]],
        stop_pod: Callable[[str, float], Awaitable[None]],
        report: Callable[[str], None],
        grace_seconds: Callable[[str], float],
    ) -> None:
        """`start_pod(name, revision)` returns when it is healthy, and raises StackError when it
        is not to be. `stop_pod(name, grace_seconds)` returns when the process is gone."""
        self._start_pod = start_pod
        self._stop_pod = stop_pod
        self._report = report
        self._grace_seconds = grace_seconds
        self._clock = time.monotonic
        self._wanted: dict[str, WantedPods] = {}
        self._pods: dict[str, _Pod] = {}
        self._numbers: dict[str, int] = {}
        self._stirred = asyncio.Event()
        self._changed = asyncio.Event()

    def adopt(self, role: str, keepers: list[Keeper], revision: str) -> None:
        """The pods with which the stack has begun."""
        if role not in ROLLED:
            return
        self._wanted[role] = WantedPods(role, len(keepers), revision)
        self._numbers[role] = len(keepers)
        for number, keeper in enumerate(keepers):
            self._pods[keeper.part.name] = _Pod(keeper, role, number, revision)
        self.stir()

    def stir(self) -> None:
        """Something may have changed: a pod's health, what is wanted."""
        self._stirred.set()
        self._changed.set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Bring about what is wanted, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._stirred.clear()
                wait = self._step(tasks)
                try:
                    async with asyncio.timeout(wait):
                        await self._stirred.wait()
                except TimeoutError:
                    continue

    # --- what may be asked ------------------------------------------------------------

    def view(self) -> platform_pb2.WatchPlatformResponse:
        """Everything at this moment."""
        now = self._clock()
        return platform_pb2.WatchPlatformResponse(
            pods=[
                platform_pb2.PlatformPod(
                    pod_id=name,
                    role=pod.role,
                    revision=pod.revision,
                    ready=self._is_ready(pod, now),
                    deleted_in_ms=(
                        max(1, round((pod.killed_at - now) * 1000)) if pod.killed_at else 0
                    ),
                    drain_wanted=pod.drain_wanted,
                    deletion_cost=pod.deletion_cost,
                )
                for name, pod in sorted(self._pods.items())
            ],
            workloads=[
                platform_pb2.Workload(role=role, replicas=one.replicas, revision=one.revision)
                for role, one in sorted(self._wanted.items())
            ],
        )

    async def wait_changed(self) -> None:
        """Until `view` may be another one."""
        await self._changed.wait()

    def scale(self, role: str, replicas: int) -> None:
        """Want so many. INVALID_ARGUMENT or NOT_FOUND with what to do instead."""
        wanted = self._workload(role)
        if not 1 <= replicas <= _MAX_PODS:
            raise invalid(f"a local stack has 1 to {_MAX_PODS} pods of a role, not {replicas}")
        self._wanted[role] = replace(wanted, replicas=replicas)
        self.stir()

    def restart(self, role: str, surge: int) -> str:
        """Replace all pods of the role; their new revision."""
        wanted = self._workload(role)
        number = int(wanted.revision.removeprefix("r")) + 1
        revision = f"r{number}"
        self._wanted[role] = replace(wanted, revision=revision, surge=max(1, surge))
        self.stir()
        return revision

    def delete(self, name: str) -> None:
        """Stop one pod; another one takes its place."""
        self._pod(name).deletion_cost = 0
        self._begin_stop(name)

    def mark(self, name: str, *, deletion_cost: int | None, drain_wanted: bool | None) -> None:
        """Remember this of the pod."""
        pod = self._pod(name)
        if deletion_cost is not None:
            pod.deletion_cost = deletion_cost
        if drain_wanted is not None:
            pod.drain_wanted = drain_wanted
        self.stir()

    def is_settled(self, role: str) -> bool:
        """Whether the pods of the role are as wanted, and all are ready."""
        wanted, now = self._workload(role), self._clock()
        pods = [pod for pod in self._pods.values() if pod.role == role]
        return len(pods) == wanted.replicas and all(
            pod.revision == wanted.revision and self._is_ready(pod, now) for pod in pods
        )

    async def wait_settled(self, role: str) -> None:
        """Until it is. The caller sets the deadline."""
        while not self.is_settled(role):
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self.wait_changed()
            except TimeoutError:
                continue  # pods become ready by the passing of time

    # --- inside ----------------------------------------------------------------------

    def _step(self, tasks: asyncio.TaskGroup) -> float | None:
        """Begin what is to be done; seconds after which to look again, None when only a change
        helps."""
        now = self._clock()
        for pod in self._pods.values():
            if not _is_healthy(pod):
                pod.healthy_since = None
            elif pod.healthy_since is None:
                pod.healthy_since = now
        for role, wanted in self._wanted.items():
            steps = next_steps(wanted, self._present(role, now))
            for _ in range(steps.start):
                name = f"{role}-{self._numbers[role]}"
                self._pods[name] = _Pod(None, role, self._numbers[role], wanted.revision)
                self._numbers[role] += 1
                tasks.create_task(self._bring_up(name), name=f"start {name}")
            for name in steps.stop:
                self._begin_stop(name)
        for name, pod in self._pods.items():
            if pod.killed_at is not None and not pod.is_ending:
                pod.is_ending = True
                tasks.create_task(self._take_down(name), name=f"stop {name}")
        ripening = any(
            not self._is_ready(pod, now) and pod.healthy_since is not None
            for pod in self._pods.values()
            if pod.killed_at is None
        )
        return _LOOK_SECONDS if ripening else None

    def _present(self, role: str, now: float) -> list[PodNow]:
        wanted = self._wanted[role].revision
        found = []
        for name, pod in self._pods.items():
            if pod.role != role or pod.killed_at is not None:
                continue
            # An old pod serves from its first moment; a new one is relied on when all know it.
            is_ready = self._is_ready(pod, now) if pod.revision == wanted else _is_healthy(pod)
            found.append(PodNow(name, pod.number, pod.revision, is_ready, pod.deletion_cost))
        return found

    def _is_ready(self, pod: _Pod, now: float) -> bool:
        if pod.killed_at is not None or pod.healthy_since is None:
            return False
        return now - pod.healthy_since >= _MIN_READY_SECONDS

    def _begin_stop(self, name: str) -> None:
        pod = self._pods[name]
        if pod.killed_at is None:
            pod.killed_at = self._clock() + self._grace_seconds(pod.role)
            self.stir()

    async def _bring_up(self, name: str) -> None:
        pod = self._pods[name]
        try:
            pod.keeper = await self._start_pod(name, pod.revision)
        except StackError as error:
            self._report(str(error))
            await asyncio.sleep(_RETRY_SECONDS)
            self._pods.pop(name, None)
        self.stir()

    async def _take_down(self, name: str) -> None:
        pod = self._pods[name]
        while pod.keeper is None:  # it is just being started
            await self.wait_changed()
            if name not in self._pods:
                return
        try:
            await self._stop_pod(name, self._grace_seconds(pod.role))
        except StackError as error:  # even SIGKILL did not end it
            self._report(str(error))
        self._pods.pop(name, None)
        self.stir()

    def _workload(self, role: str) -> WantedPods:
        if role == "router":
            raise invalid("the routers of a local stack are fixed: start it with --router")
        if role not in self._wanted:
            known = ", ".join(self._wanted)
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"no workload {role!r}; there are: {known}")
        return self._wanted[role]

    def _pod(self, name: str) -> _Pod:
        if name not in self._pods:
            known = ", ".join(sorted(self._pods))
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"no pod {name!r}; there are: {known}")
        return self._pods[name]


def _is_healthy(pod: _Pod) -> bool:
    return pod.keeper is not None and pod.keeper.state is PartState.HEALTHY
