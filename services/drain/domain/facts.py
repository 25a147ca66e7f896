"""Everything that is known about each Access pod at one moment, from three sources.

The platform says what shall become of a pod, the registry where clients reach it, and the pod
itself how it stands. They disagree for seconds at a time, so each question has one source: a pod
is believed about itself as long as it attends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from services.drain.ports import PlatformPod, PlatformView, Workload
from whimbrel.core.drain.candidates import Candidate
from whimbrel.core.drain.pacing import TargetHealth
from whimbrel.core.drain.pod_drain_types import DrainPhase

ACCESS: Final = "access"


class ProcessOf(NamedTuple):
    """The pod that a process is a part of, this start of it, and how many processes it has."""

    pod_id: str
    incarnation: str
    processes: int


class Report(NamedTuple):
    """What a pod says about itself, or one of its processes (AttendRequest)."""

    pod_id: str
    incarnation: str
    term: int = 0
    phase: DrainPhase = DrainPhase.ACTIVE
    plan_id: str = ""
    sessions: int = 0
    planned: int = 0
    moved: int = 0
    deferred: int = 0
    failed: int = 0
    forced: int = 0
    arrivals_per_second: float = 0.0
    stopping_in_seconds: float | None = None
    cause: str = ""
    health: TargetHealth = TargetHealth()
    process_of: ProcessOf | None = None
    """None: it speaks for the whole pod."""

    @property
    def pod_name(self) -> str:
        """The pod that it is, or is a process of."""
        return self.pod_id if self.process_of is None else self.process_of.pod_id

    @property
    def pod_incarnation(self) -> str:
        """The start of that pod."""
        return self.incarnation if self.process_of is None else self.process_of.incarnation


class Registered(NamedTuple):
    """What the Router's registry says about a pod."""

    pod_id: str
    role: str
    is_active: bool = True
    endpoint: str = ""
    sessions: int = 0
    revision: str = ""
    node: str = ""
    zone: str = ""
    started_at: float = 0.0
    """Seconds, on the clock of `now`."""
    arrivals_per_second: float = 0.0
    max_sessions: int = 0


class PodFacts(NamedTuple):
    """An Access pod."""

    pod_id: str
    platform: PlatformPod | None
    registered: Registered | None
    report: Report | None
    """None: it does not attend here, so it cannot be ordered."""

    @property
    def sessions(self) -> int:
        """Held now, as far as is known."""
        if self.report is not None:
            return self.report.sessions
        return self.registered.sessions if self.registered is not None else 0

    @property
    def phase(self) -> DrainPhase:
        """As the pod says; ACTIVE if it says nothing."""
        return self.report.phase if self.report is not None else DrainPhase.ACTIVE

    @property
    def ends_in_seconds(self) -> float | None:
        """It is being stopped, and will be killed after so long; None: it is not."""
        ends = []
        if self.platform is not None and self.platform.deleted_in_seconds is not None:
            ends.append(self.platform.deleted_in_seconds)
        if self.report is not None and self.report.stopping_in_seconds is not None:
            ends.append(self.report.stopping_in_seconds)
        return min(ends, default=None)

    @property
    def is_open(self) -> bool:
        """It takes sessions now: registered, ready, and not on its way out. The registry's word
        on its state, seconds old, counts only for one that does not attend."""
        return (
            self.registered is not None
            and (self.registered.is_active or self.report is not None)
            and self.phase is DrainPhase.ACTIVE
            and self.ends_in_seconds is None
            and (self.platform is None or (self.platform.ready and not self.platform.drain_wanted))
        )

    @property
    def revision(self) -> str:
        """The platform's word counts: rollouts are its doing."""
        if self.platform is not None:
            return self.platform.revision
        return self.registered.revision if self.registered is not None else ""

    def candidate(self, default_budget: float) -> Candidate:
        """As a target. Its budget is what it says, `default_budget` if it says nothing."""
        registered = self.registered or Registered(self.pod_id, ACCESS)
        budget = registered.arrivals_per_second
        if self.report is not None and self.report.arrivals_per_second:
            budget = self.report.arrivals_per_second
        place = self.platform or PlatformPod(self.pod_id, ACCESS, "")
        return Candidate(
            pod_id=self.pod_id,
            endpoint=registered.endpoint,
            sessions=self.sessions,
            revision=self.revision,
            node=place.node or registered.node,
            zone=place.zone or registered.zone,
            started_at=registered.started_at,
            is_open=self.is_open,
            arrivals_per_second=budget or default_budget,
            max_sessions=registered.max_sessions,
        )


class Cluster(NamedTuple):
    """All Access pods, by pod_id, and the workloads, by role."""

    pods: dict[str, PodFacts]
    workloads: dict[str, Workload]
    roles: dict[str, str]
    """The role of every pod that anybody knows."""
    last_words: Mapping[str, Report] = MappingProxyType({})
    """The last reports of pods that have left since the last look."""

    @property
    def revision(self) -> str | None:
        """What new Access pods get; None if the platform does not say."""
        workload = self.workloads.get(ACCESS)
        return workload.revision or None if workload is not None else None

    @property
    def term(self) -> int:
        """The highest term that a pod has had an order of."""
        return max((pod.report.term for pod in self.pods.values() if pod.report), default=0)


def merge(
    view: PlatformView,
    registered: Iterable[Registered],
    reports: Mapping[str, Report],
    last_words: Mapping[str, Report] | None = None,
) -> Cluster:
    """One picture of three."""
    platform_pods = {pod.pod_id: pod for pod in view.pods}
    registry = {pod.pod_id: pod for pod in registered}
    roles = {pod_id: pod.role for pod_id, pod in registry.items()}
    roles |= {pod_id: pod.role for pod_id, pod in platform_pods.items()}
    roles |= dict.fromkeys(reports, ACCESS)
    pods = {
        pod_id: PodFacts(
            pod_id, platform_pods.get(pod_id), registry.get(pod_id), reports.get(pod_id)
        )
        for pod_id, role in sorted(roles.items())
        if role == ACCESS
    }
    return Cluster(pods, {one.role: one for one in view.workloads}, roles, last_words or {})
