"""The pods that a laptop's platform has: which there are, which of them take work, how they look
to a controller. What is to become of them is the platform's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from whimbrel.api.platform.v1 import platform_pb2
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.local.keeper import Keeper
from whimbrel.local.part import PartState
from whimbrel.local.workloads import PodNow


@dataclass
class LocalPod:
    """One pod, from its start until its process is gone for good."""

    keeper: Keeper
    number: int
    """In its name, and never given again."""
    deletion_cost: int = 0
    drain_wanted: bool = False
    is_seen_off: bool = False
    """Somebody waits for its end."""

    @property
    def name(self) -> str:
        return self.keeper.part.name

    @property
    def revision(self) -> str:
        return self.keeper.part.revision


class LocalPods:
    """All of them, by name."""

    def __init__(self, takes_work: Callable[[str], bool]) -> None:
        """`takes_work(name)`: whether a healthy pod has also registered and is not cordoned."""
        self._takes_work = takes_work
        self._pods: dict[str, LocalPod] = {}

    def __iter__(self) -> Iterator[LocalPod]:
        return iter(self._pods.values())

    def add(self, keeper: Keeper, number: int) -> None:
        """One more."""
        pod = LocalPod(keeper, number)
        self._pods[pod.name] = pod

    def remove(self, pod: LocalPod) -> None:
        """Its process is gone for good."""
        del self._pods[pod.name]

    def find(self, name: str) -> LocalPod:
        """The pod of this name; NOT_FOUND with those that there are."""
        if name not in self._pods:
            known = ", ".join(sorted(self._pods))
            raise WhimbrelError(ErrorCode.NOT_FOUND, f"no pod {name!r}; there are: {known}")
        return self._pods[name]

    def of(self, role: str) -> list[LocalPod]:
        """Those of a role, also the ones that are on their way out."""
        return [pod for pod in self if pod.keeper.part.role == role]

    def present(self, role: str) -> list[PodNow]:
        """Those of a role that nobody has told to stop."""
        return [
            PodNow(pod.name, pod.number, pod.revision, self.is_ready(pod), pod.deletion_cost)
            for pod in self.of(role)
            if not pod.keeper.is_stopping
        ]

    def is_ready(self, pod: LocalPod) -> bool:
        """Whether it is healthy and takes work."""
        return pod.keeper.state is PartState.HEALTHY and self._takes_work(pod.name)

    def seen(self) -> list[platform_pb2.PlatformPod]:
        """All of them as a controller sees them."""
        return [self._seen(pod) for _, pod in sorted(self._pods.items())]

    def described(self, role: str) -> str:
        """Those of a role for people: revision, state, whether they are ready."""
        return ", ".join(
            f"{pod.name} ({pod.revision}, {pod.keeper.state}"
            f"{'' if self.is_ready(pod) else ', not ready'})"
            for pod in sorted(self.of(role), key=lambda pod: pod.name)
        )

    def _seen(self, pod: LocalPod) -> platform_pb2.PlatformPod:
        left = pod.keeper.killed_in_seconds
        return platform_pb2.PlatformPod(
            pod_id=pod.name,
            role=pod.keeper.part.role,
            revision=pod.revision,
            ready=self.is_ready(pod),
            # 0 would say that it is not being stopped.
            deleted_in_ms=0 if left is None else max(1, round(left * 1000)),
            drain_wanted=pod.drain_wanted,
            deletion_cost=pod.deletion_cost,
        )
