"""The laptop's platform: keeps as many pods of each role as are wanted, of the wanted revision.

It does with processes what a Deployment does with pods: starts a new one before an old one goes,
and replaces what was deleted. One pod's life (ready, SIGTERM, grace, SIGKILL, started again in
place) is its keeper's business; who is moved where is the controller's.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from typing import Any, Final, Protocol

from whimbrel.api.platform.v1 import platform_pb2
from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid, unavailable
from whimbrel.local.errors import StackError
from whimbrel.local.keeper import Keeper
from whimbrel.local.part import Part
from whimbrel.local.platform_pods import LocalPod, LocalPods
from whimbrel.local.supervisor import Supervisor
from whimbrel.local.workloads import WantedPods, next_steps

ROLLED: Final = ("access", "logic", "push", "drain")
"""Roles whose pods may come and go. Routers stay: every other pod was told their addresses."""
MAX_PODS: Final = 32
"""Of a role: more processes than that are no laptop's."""
_RETRY_SECONDS: Final = 2.0


class PartSource(Protocol):
    """Where new pods come from."""

    async def make(self, name: str, revision: str) -> Part:
        """One more pod. Raises StackError when it cannot be."""
        ...

    async def discard(self, part: Part) -> None:
        """It has ended and does not come back."""
        ...


class LocalPlatform:
    """The pods of one stack. `run` owns every start and every end that it asks for."""

    def __init__(
        self,
        supervisor: Supervisor,
        source: PartSource,
        *,
        takes_work: Callable[[str], bool],
        pods_changed: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        """`takes_work(name)`: whether a healthy pod has also registered and is not cordoned;
        `pods_changed` is called when one has come, begins to stop, or is gone."""
        self._supervisor = supervisor
        self._source = source
        self._pods_changed = pods_changed
        self._report = report
        self._wanted: dict[str, WantedPods] = {}
        self._pods = LocalPods(takes_work)
        self._numbers: dict[str, int] = {}
        self._stirred = asyncio.Event()
        self._changed = asyncio.Event()
        self._is_over = False

    def adopt(self, role: str, keepers: Collection[Keeper], revision: str) -> None:
        """The pods of a role with which the stack has begun."""
        if role not in ROLLED:
            return
        for number, keeper in enumerate(keepers):
            self._pods.add(keeper, number)
        self._numbers[role] = len(keepers)
        self._wanted[role] = WantedPods(role, len(keepers), revision)
        self.stir()

    def stir(self) -> None:
        """Something may have changed: a pod's health, the registry, what is wanted."""
        self._stirred.set()
        self._changed.set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Bring about what is wanted, until cancelled. Pods that are just being stopped go on to
        stop then: whoever stops the supervisor waits for them."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._stirred.clear()
                    is_done = await self._guarded(self._step(tasks))
                    try:
                        async with asyncio.timeout(None if is_done else _RETRY_SECONDS):
                            await self._stirred.wait()
                    except TimeoutError:
                        continue
        finally:
            self._is_over = True

    # --- what may be asked ------------------------------------------------------------

    def view(self) -> platform_pb2.WatchPlatformResponse:
        """Everything at this moment."""
        return platform_pb2.WatchPlatformResponse(
            pods=self._pods.seen(),
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
        least = 0 if role == "push" else 1
        if not least <= replicas <= MAX_PODS:
            raise invalid(f"a local stack has {least} to {MAX_PODS} {role} pods, not {replicas}")
        self._wanted[role] = replace(wanted, replicas=replicas)
        self.stir()

    def restart(self, role: str, surge: int) -> str:
        """Replace all pods of the role; their new revision. One that is under way turns to it."""
        wanted = self._workload(role)
        if surge < 1:
            raise invalid("a restart without a surge would be an outage")
        revision = f"r{int(wanted.revision.removeprefix('r')) + 1}"
        self._wanted[role] = replace(wanted, revision=revision, surge=surge)
        self.stir()
        return revision

    def delete(self, name: str) -> None:
        """Stop one pod; another one takes its place if it is wanted."""
        self._begin_stop(self._pod(name))

    def mark(self, name: str, *, deletion_cost: int | None, drain_wanted: bool | None) -> None:
        """Remember this of the pod."""
        pod = self._pod(name)
        if deletion_cost is not None:
            pod.deletion_cost = deletion_cost
        if drain_wanted is not None:
            pod.drain_wanted = drain_wanted
        self.stir()

    def is_settled(self, role: str) -> bool:
        """Whether the pods of the role are as wanted, all are ready, and none is on its way out."""
        wanted = self._workload(role)
        pods = self._pods.of(role)
        return len(pods) == wanted.replicas and all(
            pod.revision == wanted.revision and self._pods.is_ready(pod) for pod in pods
        )

    async def wait_settled(self, role: str) -> None:
        """Until it is. The caller sets the deadline."""
        while not self.is_settled(role):
            await self.wait_changed()

    async def settle_within(self, role: str, timeout_seconds: float) -> None:
        """`wait_settled`, but raises StackError, with what is there, when it takes longer."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.wait_settled(role)
        except TimeoutError:
            raise StackError(
                f"the {role} pods are not as wanted after {timeout_seconds:.0f} s: "
                f"{self._pods.described(role)}"
            ) from None

    # --- inside ----------------------------------------------------------------------

    async def _step(self, tasks: asyncio.TaskGroup) -> None:
        """Begin what is to be done now. Raises StackError when a pod cannot be made."""
        for role, wanted in list(self._wanted.items()):
            steps = next_steps(wanted, self._pods.present(role))
            for name in steps.stop:
                self._begin_stop(self._pods.find(name))
            for _ in range(steps.start):
                await self._launch(role, wanted.revision)
        for pod in list(self._pods):
            if pod.keeper.is_stopping and not pod.is_seen_off:
                pod.is_seen_off = True
                tasks.create_task(self._guarded(self._see_off(pod)), name=f"end of {pod.name}")

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether the work was done; what went wrong is said, and the platform goes on."""
        try:
            await work
        except StackError as error:
            self._report(str(error))
            return False
        # The supervised loop of a stack: without it nothing would be replaced any more.
        except Exception:  # noqa: BLE001
            self._report(f"the platform has failed:\n{traceback.format_exc()}")
            return False
        return True

    async def _launch(self, role: str, revision: str) -> None:
        number = self._numbers[role]
        self._numbers[role] += 1
        part = await self._source.make(f"{role}-{number}", revision)
        keeper = self._supervisor.add(part)
        self._pods.add(keeper, number)
        keeper.launch()
        self._pods_changed()

    def _begin_stop(self, pod: LocalPod) -> None:
        part = pod.keeper.part
        pod.keeper.terminate(
            part.grace_seconds if part.drain_seconds is None else part.drain_seconds
        )
        self._pods_changed()
        self.stir()

    async def _see_off(self, pod: LocalPod) -> None:
        await pod.keeper.wait_stopped()
        self._pods.remove(pod)
        self._supervisor.remove(pod.keeper)
        self._pods_changed()
        self.stir()
        await self._source.discard(pod.keeper.part)

    def _workload(self, role: str) -> WantedPods:
        self._check_open()
        if role == "router":
            raise invalid("the routers of a local stack are fixed: start it with --router")
        if role not in self._wanted:
            known = ", ".join(self._wanted)
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"no workload {role!r}; there are: {known}")
        return self._wanted[role]

    def _pod(self, name: str) -> LocalPod:
        self._check_open()
        return self._pods.find(name)

    def _check_open(self) -> None:
        if self._is_over:
            raise unavailable("the stack is going down")
