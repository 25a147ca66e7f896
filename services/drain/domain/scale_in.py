"""Fewer pods: victims are chosen, emptied and marked, and only then is the wanted number lowered.

Level-triggered: the goal is compared with what the platform wants, so a victim that dies is
replaced by another one, a goal that is raised frees the last ones, and a new leader that finds
victims goes on with them.
"""

from __future__ import annotations

from typing import Final

from services.drain.domain.facts import ACCESS, Cluster, PodFacts
from services.drain.domain.orders import Action, MarkVictim, SetReplicas
from services.drain.domain.plans import PlanBook, PlanOutcome
from services.drain.domain.wishes import Restored
from whimbrel.core.drain.victims import Holder, choose_victims

VICTIM_COST: Final = -1_000
"""The deletion cost of a victim: below every other."""
_PATIENCE_SECONDS: Final = 60.0
"""For so long a victim is held empty after the number was lowered; then the platform has taken
another one, and it shall work again."""


class ScaleIn:
    """The goal for the Access pods, if there is one, and who goes for it."""

    def __init__(self) -> None:
        self.goal: int | None = None
        self._victims: list[str] = []
        self._lowered_at: float | None = None

    @property
    def victims(self) -> list[str]:
        """Who shall be empty, the first chosen first."""
        return list(self._victims)

    def begin(self, goal: int, cluster: Cluster, book: PlanBook) -> list[str]:
        """So many Access pods there shall be, fewer than now; who goes."""
        self.goal = goal
        self._lowered_at = None
        self._choose(cluster, book)
        return self.victims

    def restore(self, restored: Restored) -> None:
        """Another leader began this."""
        if self.goal is None:
            self.goal = restored.goal
        self._victims += [one for one in restored.victims if one not in self._victims]

    def cancel(self) -> None:
        """The goal is void; its victims work again."""
        self.goal = None
        self._victims.clear()
        self._lowered_at = None

    def forget(self) -> None:
        """Another leader may have led in between: victims' plans know the goal."""
        self.cancel()

    def step(self, cluster: Cluster, book: PlanBook, now: float) -> list[Action]:
        """What to ask of the platform now."""
        workload = cluster.workloads.get(ACCESS)
        if self.goal is None or workload is None:
            return []
        self._victims = [one for one in self._victims if self._is_there(cluster.pods.get(one))]
        if workload.replicas <= self.goal:
            if self._lowered_at is None:
                self._lowered_at = now
            if not self._victims or now - self._lowered_at >= _PATIENCE_SECONDS:
                self.cancel()
            return []
        self._choose(cluster, book)
        needed = workload.replicas - self.goal
        if len(self._victims) < needed or not all(
            (plan := book.of(victim)) is not None and plan.outcome is PlanOutcome.DONE
            for victim in self._victims
        ):
            return []
        marks = [MarkVictim(victim, VICTIM_COST) for victim in self._victims]
        return [*marks, SetReplicas(ACCESS, self.goal)]

    def _choose(self, cluster: Cluster, book: PlanBook) -> None:
        workload = cluster.workloads.get(ACCESS)
        if workload is None or self.goal is None:
            return
        needed = max(0, workload.replicas - self.goal)
        del self._victims[needed:]
        holders = [
            Holder(
                pod_id=pod.pod_id,
                sessions=pod.sessions,
                revision=pod.revision,
                zone=pod.platform.zone,
                is_leaving=book.of(pod.pod_id) is not None or pod.platform.drain_wanted,
                is_ready=pod.platform.ready,
            )
            for pod in cluster.pods.values()
            if pod.platform is not None
            and pod.ends_in_seconds is None  # the platform replaces it by another
            and pod.pod_id not in self._victims
        ]
        self._victims += choose_victims(holders, needed - len(self._victims), workload.revision)

    def _is_there(self, pod: PodFacts | None) -> bool:
        return pod is not None and pod.platform is not None
