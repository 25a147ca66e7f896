"""The servers of a world: Access and Logic pods over the same stores, killed and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from random import Random

from services.access.settings import StreamSettings
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.ids import EPOCH_MS
from whimbrel.testing.memory_cluster.access_pod import AccessPod
from whimbrel.testing.memory_cluster.logic_pod import LogicPod
from whimbrel.testing.memory_cluster.plan import Plan
from whimbrel.testing.memory_cluster.process import Process
from whimbrel.testing.memory_cluster.router import MemoryLocator, MemoryRouter
from whimbrel.testing.memory_cluster.stores import HalfWrites, WorldStores
from whimbrel.testing.memory_cluster.streams import ClientEnd, MemoryStream

MakeStores = Callable[[Callable[[], int]], WorldStores]

_NOTICE_SECONDS = 0.8
"""Within this time a pod notices that the registry was lost (the promise is 1 s)."""

_RESTART_SECONDS = 0.5


@dataclass(frozen=True)
class _Place:
    """Where a Logic pod answers: another process, another address."""

    process: LogicPod
    row: router_pb2.Pod


class Cluster:
    """Everything between the devices and the stores."""

    def __init__(
        self, plan: Plan, random: Random, tasks: asyncio.TaskGroup, make_stores: MakeStores
    ) -> None:
        self._plan = plan
        self._random = random
        self._tasks = tasks
        self._clock = asyncio.get_running_loop().time
        self._incarnations = count(1)
        self.stores = make_stores(self.wall_ms)
        self.crashes: list[str] = []
        """Pods that ended by themselves, and why."""
        self.halves = HalfWrites(random)
        self.stores.slow_down(self._store_wait, self.halves, random)
        self._router = MemoryRouter(self.stores.directory, self._router_wait)
        self.access: dict[str, AccessPod] = {}
        self._logic: dict[str, _Place] = {}
        self._settings = StreamSettings(window_messages=plan.window_messages)

    def wall_ms(self) -> int:
        """The true time, as Redis TIME says it."""
        return EPOCH_MS + 1_000_000 + int(self._clock() * 1000)

    def start(self) -> None:
        """Start every pod."""
        for number in range(self._plan.logic_pods):
            self.start_logic(f"logic-{number}")
        for number in range(self._plan.access_pods):
            self.start_access(f"access-{number}")

    # --- pods --------------------------------------------------------------------------

    @property
    def logic(self) -> dict[str, LogicPod]:
        """The present processes, dead ones included, by pod id."""
        return {pod_id: place.process for pod_id, place in self._logic.items()}

    @property
    def processes(self) -> list[Process]:
        """All pods as such."""
        logic = [pod.process for pod in self.logic.values()]
        return [*logic, *(pod.process for pod in self.access.values())]

    def start_logic(self, pod_id: str) -> None:
        """A new process of the pod; the Access pods hear of it at once."""
        incarnation = f"i{next(self._incarnations)}"
        skew = self._random.randint(-self._plan.clock_skew_ms, self._plan.clock_skew_ms)
        step_ms = self._plan.clock_step_ms
        pod = LogicPod(
            pod_id,
            incarnation,
            self.stores.ports(MemoryLocator(self.stores.directory, self._store_wait)),
            self._tasks,
            wall_ms=lambda: (self.wall_ms() + skew) // step_ms * step_ms,
            on_crash=lambda words: self._crashed(pod_id, words, self.start_logic),
        )
        row = router_pb2.Pod(
            pod_id=pod_id,
            incarnation=incarnation,
            role=router_pb2.POD_ROLE_LOGIC,
            address=f"{pod_id}.{incarnation}",
            state=router_pb2.POD_STATE_ACTIVE,
        )
        self._logic[pod_id] = _Place(pod, row)
        pod.start()
        for access in self.access.values():
            access.links.see(self._table())

    def start_access(self, pod_id: str) -> None:
        """A new process of the pod."""
        pod = AccessPod(
            pod_id,
            f"i{next(self._incarnations)}",
            self._router,
            self._open_link,
            self._tasks,
            self._random,
            self._settings,
            lambda words: self._crashed(pod_id, words, self.start_access),
        )
        self.access[pod_id] = pod
        pod.start(self._table())

    def connect(self) -> ClientEnd | None:
        """A stream to some Access pod; None when the one that was tried is dead."""
        pod = self._random.choice(list(self.access.values()))
        return pod.connect(self._frame_wait()) if pod.process.is_alive else None

    async def flush_redis(self) -> None:
        """FLUSHALL; returns when every pod has noticed."""
        self.stores.flush_redis()
        await asyncio.sleep(self._random.uniform(0.1, _NOTICE_SECONDS))
        for access in self.access.values():
            access.routes.assert_soon()

    def _crashed(self, pod_id: str, words: str, start: Callable[[str], None]) -> None:
        self.crashes.append(f"{pod_id}: {words}")
        asyncio.get_running_loop().call_later(_RESTART_SECONDS, start, pod_id)

    def _table(self) -> dict[str, router_pb2.Pod]:
        return {pod_id: place.row for pod_id, place in self._logic.items()}

    def _open_link(self, pod: router_pb2.Pod) -> ClientEnd:
        place = self._logic[pod.pod_id]
        if place.row.incarnation != pod.incarnation:
            # Nobody answers at the address of a process that is gone.
            return _dead_end(self._frame_wait())
        return place.process.open_link(self._frame_wait())

    # --- chance ------------------------------------------------------------------------

    def _store_wait(self) -> float:
        """Seconds of one way to a store: now and then a slow one."""
        slow = 30.0 if self._random.random() < 0.02 else 1.0
        return self._random.uniform(0.0002, 0.002) * slow

    def _router_wait(self) -> float:
        return self._store_wait() + self._random.random() * self._plan.router_seconds

    def _frame_wait(self) -> Callable[[], float]:
        """Seconds that frames of one stream take; some streams are slower than others."""
        longest = self._random.choice((0.002, 0.01, 0.05))
        random = self._random.random
        return lambda: longest * random()


def _dead_end(delay: Callable[[], float]) -> ClientEnd:
    stream = MemoryStream(delay)
    stream.cut()
    return ClientEnd(stream)
