"""Why a pod shall be empty: found anew from what is, except for what only operators have said.

An operator's wish lives in the leader's memory and in the id of the plan that its pod reports: a
new leader takes it from there.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from services.drain.domain.facts import Cluster, PodFacts
from services.drain.domain.plans import PlanBook, PlanKind, PlanName, read_name
from whimbrel.core.drain.grace import GOODBYE_SECONDS
from whimbrel.core.drain.pod_drain_types import DrainPhase

OPERATOR: Final = "operator"
SCALE_IN: Final = "scale-in"
DELETED: Final = "deleted"
NODE_DRAINED: Final = "node drained"


class Wish(NamedTuple):
    """A pod shall be empty."""

    cause: str
    deadline_seconds: float
    is_hard: bool = False
    """It ends anyway, at the deadline: it cannot wait, and nobody can call it off."""
    is_forced: bool = False
    goal: int | None = None


class Restored(NamedTuple):
    """What pods say of a scale-in that another leader began."""

    goal: int
    victims: list[str]


class Wishes:
    """All causes of a drain, one for each pod: what ends by itself comes first."""

    def __init__(self, deadline_seconds: float) -> None:
        self._deadline_seconds = deadline_seconds
        self._asked: dict[str, Wish] = {}
        self._known: set[tuple[str, str]] = set()

    def ask(self, pod_id: str, deadline_seconds: float, *, is_forced: bool) -> None:
        """An operator wants this pod empty."""
        self._asked[pod_id] = Wish(OPERATOR, deadline_seconds, is_forced=is_forced)

    def drop(self, pod_id: str) -> None:
        """No operator wants this pod empty any more, or it is another pod by now."""
        self._asked.pop(pod_id, None)

    def know(self, pod_id: str, plan_id: str) -> None:
        """This leader has this plan: a pod that reports it after its end has not heard yet."""
        self._known.add((pod_id, plan_id))

    def restore(self, cluster: Cluster, book: PlanBook, wall_ms: int) -> Restored | None:
        """Take up what pods follow and this leader has not ordered: another one did."""
        goals: list[tuple[int, int]] = []
        victims = []
        for pod_id, pod in cluster.pods.items():
            report = pod.report
            if report is None or report.phase is DrainPhase.ACTIVE or book.of(pod_id) is not None:
                continue
            if (pod_id, report.plan_id) in self._known or pod.ends_in_seconds is not None:
                continue
            name = read_name(report.plan_id)
            if name is not None and name.cause == SCALE_IN and name.goal is not None:
                goals.append((name.started_ms, name.goal))
                victims.append(pod_id)
            elif name is None or name.cause == OPERATOR:
                self._asked.setdefault(pod_id, self._taken_over(name, wall_ms))
        return Restored(max(goals)[1], victims) if goals else None

    def find(self, cluster: Cluster, victims: Collection[str], goal: int | None) -> dict[str, Wish]:
        """Every pod that shall be empty now."""
        found = {pod_id: self._of(pod, victims, goal) for pod_id, pod in cluster.pods.items()}
        return {pod_id: wish for pod_id, wish in found.items() if wish is not None}

    def forget(self) -> None:
        """Another leader may have led in between: pods know what it wanted."""
        self._asked.clear()
        self._known.clear()

    def _of(self, pod: PodFacts, victims: Collection[str], goal: int | None) -> Wish | None:
        ends_in = pod.ends_in_seconds
        if ends_in is not None:
            return Wish(_cause_of_end(pod), max(0.0, ends_in - GOODBYE_SECONDS), is_hard=True)
        if pod.platform is not None and pod.platform.drain_wanted:
            return Wish(NODE_DRAINED, self._deadline_seconds)
        if pod.pod_id in self._asked:
            return self._asked[pod.pod_id]
        if pod.pod_id in victims:
            return Wish(SCALE_IN, self._deadline_seconds, goal=goal)
        return None

    def _taken_over(self, name: PlanName | None, wall_ms: int) -> Wish:
        """With at least half of its time: the clock stood while it waited for room, and nobody
        shall be thrown out because a controller died."""
        if name is None or name.kind is not PlanKind.DRAIN:
            return Wish(OPERATOR, self._deadline_seconds)
        whole = name.amount / 1000
        left = whole - (wall_ms - name.started_ms) / 1000
        return Wish(OPERATOR, min(whole, max(left, whole / 2)))


def _cause_of_end(pod: PodFacts) -> str:
    if pod.platform is not None and pod.platform.deleted_in_seconds is not None:
        return DELETED
    return (pod.report.cause if pod.report is not None else "") or DELETED
