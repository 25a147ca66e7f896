"""One leader's mind: what is known goes in, what is to be said and done comes out.

Nothing in here is a queue of events. Whoever begins with an empty planner and the same facts
comes to the same orders, which is how a new leader takes over.
"""

from __future__ import annotations

from typing import NamedTuple

from services.drain.domain.drains import Drains
from services.drain.domain.facts import Cluster
from services.drain.domain.orders import REST, Action, Order, PlannerLimits
from services.drain.domain.plans import PlanBook, PlanKind
from services.drain.domain.rebalances import Rebalances
from services.drain.domain.scale_in import ScaleIn
from services.drain.domain.wishes import Wishes
from whimbrel.core.drain.pacing import DrainPace, PaceStatistics


class Decision(NamedTuple):
    """What follows from the facts."""

    orders: dict[str, Order]
    """One for each pod that attends."""
    actions: list[Action]
    """In this order; the next step repeats what fails."""


class PlannerStatistics(NamedTuple):
    """The figures at this moment."""

    drains: int
    rebalances: int
    pace: PaceStatistics


class Planner:
    """See the module. Its parts are for the operators' requests."""

    def __init__(self, limits: PlannerLimits | None = None) -> None:
        self.limits = limits or PlannerLimits()
        self.book = PlanBook()
        self.wishes = Wishes(self.limits.deadline_seconds)
        self.scale_in = ScaleIn()
        self._pace = DrainPace()
        self.drains = Drains(self.book, self._pace, self.limits)
        self.rebalances = Rebalances(self.book, self._pace, self.limits)

    def step(self, cluster: Cluster, now: float, wall_ms: int) -> Decision:
        """Look at everything. Called every second and at each change."""
        for pod_id in self.drains.follow(cluster, now, wall_ms):
            self.wishes.drop(pod_id)
        restored = self.wishes.restore(cluster, self.book, wall_ms)
        if restored is not None:
            self.scale_in.restore(restored)
        actions = self.scale_in.step(cluster, self.book, now)
        wishes = self.wishes.find(cluster, self.scale_in.victims, self.scale_in.goal)
        for pod_id in wishes:
            self.rebalances.call_off(pod_id, wall_ms)
        orders, releases = self.drains.step(cluster, wishes, now, wall_ms)
        for plan in self.book.holding(PlanKind.DRAIN):
            self.wishes.know(plan.pod_id, plan.plan_id)
        running = [plan for plan in self.book.holding(PlanKind.DRAIN) if plan.is_running]
        orders |= self.rebalances.step(cluster, is_draining=bool(running), now=now, wall_ms=wall_ms)
        if not running and not self.book.holding(PlanKind.REBALANCE):
            self._pace.rest()
        attending = [pod_id for pod_id, pod in cluster.pods.items() if pod.report is not None]
        return Decision(
            {pod_id: orders.get(pod_id, REST) for pod_id in attending}, [*actions, *releases]
        )

    def forget(self) -> None:
        """A new tenure: another leader may have led in between. What ended stays in the book."""
        self.book.forget_held()
        self.wishes.forget()
        self.scale_in.forget()
        self._pace.rest()

    def statistics(self) -> PlannerStatistics:
        """The figures at this moment."""
        return PlannerStatistics(
            len(self.book.holding(PlanKind.DRAIN)),
            len(self.book.holding(PlanKind.REBALANCE)),
            self._pace.statistics(),
        )
