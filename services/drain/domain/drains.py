"""The plans that empty pods: begun by a wish, ended when the pod is empty, gone, or wanted again.

A soft drain waits until there is room, its pod open meanwhile and its clock standing. One whose
pod ends anyway takes what room there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from services.drain.domain.facts import Cluster, PodFacts
from services.drain.domain.grants import (
    Places,
    RevisionGap,
    Share,
    find_places,
    share_out,
    split_rate,
)
from services.drain.domain.orders import REST, Action, Drain, Order, PlannerLimits, Release
from services.drain.domain.plans import (
    Plan,
    PlanBook,
    PlanKind,
    PlanName,
    PlanOutcome,
    read_name,
)
from services.drain.domain.wishes import NODE_DRAINED, Wish
from whimbrel.core.drain.pacing import DrainPace, ceiling
from whimbrel.core.drain.pod_drain_types import DrainPhase

NOBODY_OPEN: Final = "no room: no other Access pod is open; start one"
NEWEST_COMES: Final = "a pod of the new revision that is open"
_ALONE_SECONDS: Final = 10.0


class Drains:
    """All drain plans of one leader."""

    def __init__(self, book: PlanBook, pace: DrainPace, limits: PlannerLimits) -> None:
        self._book = book
        self._pace = pace
        self._limits = limits
        self._seen_at: float | None = None
        self._unheard_since: dict[str, float] = {}
        self._alone_since: dict[str, float] = {}
        self._gap = RevisionGap()

    def follow(self, cluster: Cluster, now: float, wall_ms: int) -> list[str]:
        """Take in what the pods say of their plans. Those that are gone: by another process, or
        for good; nobody's wish for them holds any more."""
        gone = []
        for plan in self._book.holding(PlanKind.DRAIN):
            pod = cluster.pods.get(plan.pod_id)
            said = cluster.last_words.get(plan.pod_id)
            if said is not None and said.incarnation == plan.incarnation:
                plan.take(said)
            if self._is_gone(plan, pod, now):
                was_empty = plan.remaining == 0 or plan.phase >= DrainPhase.EMPTY
                self._close(plan, PlanOutcome.DONE if was_empty else PlanOutcome.POD_LOST, wall_ms)
                gone.append(plan.pod_id)
            elif pod is not None and pod.report is not None:
                plan.take(pod.report)
                if plan.has_begun and plan.phase >= DrainPhase.EMPTY:
                    self._book.end(plan, PlanOutcome.DONE, wall_ms)
        return gone

    def step(
        self, cluster: Cluster, wishes: Mapping[str, Wish], now: float, wall_ms: int
    ) -> tuple[dict[str, Order], list[Action]]:
        """What is to be said to whom, and asked of the platform."""
        elapsed = now - self._seen_at if self._seen_at is not None else 0.0
        self._seen_at = now
        for plan in self._book.holding(PlanKind.DRAIN):
            if plan.pod_id not in wishes:
                self._close(plan, PlanOutcome.ABORTED, wall_ms)
        for pod_id, wish in wishes.items():
            if self._book.of(pod_id) is None:
                self._book.begin(_new_plan(cluster.pods[pod_id], wish, now, wall_ms))
        plans = self._book.holding(PlanKind.DRAIN)
        moving = [plan for plan in plans if plan.is_running]
        places = find_places(
            [
                pod.candidate(self._limits.default_budget_per_second)
                for pod in cluster.pods.values()
            ],
            wishes,
            cluster.revision,
            sum(plan.remaining for plan in moving),
        )
        going = self._admit(moving, wishes, places)
        if self._gap.is_open(places if moving else None, cluster.revision, now):
            going = []
            for plan in moving:
                plan.waiting_for = NEWEST_COMES
        for plan in moving:
            self._keep_time(plan, wishes[plan.pod_id], plan in going, elapsed, now)
            self._stand_back(plan, wishes[plan.pod_id], now)
        shares = self._grant(cluster, going, places, now)
        orders = {plan.pod_id: self._order(plan, shares, now) for plan in plans}
        return orders, [
            Release(plan.pod_id)
            for plan in plans
            if plan.phase is DrainPhase.EMPTY and wishes[plan.pod_id].cause == NODE_DRAINED
        ]

    def places_for(self, cluster: Cluster, leaving: Iterable[str], sessions: int) -> Places:
        """Where so many sessions would go, were these pods drained."""
        budget = self._limits.default_budget_per_second
        candidates = [pod.candidate(budget) for pod in cluster.pods.values()]
        return find_places(candidates, leaving, cluster.revision, sessions)

    def full_rate(self, places: Places) -> float:
        """The rate at which they would go, at best."""
        return ceiling(
            places.budgets,
            route_store_per_second=self._limits.route_store_per_second,
            operator_per_second=self._limits.operator_per_second,
        )

    # --- one plan --------------------------------------------------------------------

    def _is_gone(self, plan: Plan, pod: PodFacts | None, now: float) -> bool:
        """No longer there, another process by now, or silent for too long."""
        if pod is not None and pod.report is not None:
            self._unheard_since.pop(plan.pod_id, None)
            return plan.incarnation not in ("", pod.report.incarnation)
        if pod is None or pod.platform is None:
            return True
        since = self._unheard_since.setdefault(plan.pod_id, now)
        return now - since >= self._limits.unheard_seconds

    def _close(self, plan: Plan, outcome: PlanOutcome, wall_ms: int) -> None:
        self._book.end(plan, outcome, wall_ms)
        self._book.let_go(plan)
        self._unheard_since.pop(plan.pod_id, None)
        self._alone_since.pop(plan.pod_id, None)

    def _admit(self, moving: list[Plan], wishes: Mapping[str, Wish], places: Places) -> list[Plan]:
        """Those that move sessions now; the others say what they wait for. First come those that
        cannot wait, then those that have begun: room is promised once."""
        going: list[Plan] = []
        promised = 0
        for plan in sorted(
            moving, key=lambda one: (not wishes[one.pod_id].is_hard, not one.has_begun, one.pod_id)
        ):
            wish = wishes[plan.pod_id]
            plan.waiting_for = ""
            needed = promised + plan.remaining
            if not places.targets:
                plan.waiting_for = NOBODY_OPEN
            elif not places.takes(needed):
                plan.waiting_for = no_room(places, needed)
            is_bold = wish.is_hard or ((plan.is_forced or wish.is_forced) and places.targets)
            if not plan.waiting_for or is_bold:
                going.append(plan)
                promised = needed
        return going

    def _keep_time(
        self, plan: Plan, wish: Wish, is_going: bool, elapsed: float, now: float
    ) -> None:
        if wish.is_hard:
            ends_at = now + wish.deadline_seconds
            plan.deadline_at = min(ends_at, plan.deadline_at or math.inf)
        elif plan.deadline_at is None:
            plan.deadline_at = now + wish.deadline_seconds if is_going else None
        elif not is_going:
            plan.deadline_at += elapsed

    def _grant(
        self, cluster: Cluster, going: list[Plan], places: Places, now: float
    ) -> tuple[Share, ...]:
        """Each plan's rate, and the shares of the targets that all of them go by."""
        if not self._book.holding(PlanKind.DRAIN):
            return ()
        reports = [cluster.pods[target.pod_id].report for target in places.targets]
        rate = self._pace.observe(
            [report.health for report in reports if report is not None],
            self.full_rate(places),
            now,
        )
        needs = {
            plan.pod_id: (plan.remaining, max(0.0, (plan.deadline_at or now) - now))
            for plan in going
        }
        shares = tuple(share_out(places, rate, now))
        rates = split_rate(math.fsum(share.weight for share in shares), needs)
        for plan in self._book.holding(PlanKind.DRAIN):
            plan.rate_per_second = rates.get(plan.pod_id, 0.0) if plan.is_running else 0.0
            plan.target_pod_ids = [share.pod_id for share in shares] if plan in going else []
        return shares

    def _order(self, plan: Plan, shares: tuple[Share, ...], now: float) -> Order:
        if plan.deadline_at is None:
            return REST  # it waits, and its pod stays open meanwhile
        left = max(0.0, plan.deadline_at - now)
        return Drain(
            plan.plan_id,
            plan.rate_per_second,
            left,
            shares if plan.rate_per_second > 0 else (),
        )

    def _stand_back(self, plan: Plan, wish: Wish, now: float) -> None:
        """Nobody else is open: after a while a pod that was cordoned opens again, because clients
        that come have nowhere else to go. Its plan begins anew when there is somebody."""
        if plan.waiting_for != NOBODY_OPEN or wish.is_hard or plan.phase >= DrainPhase.EMPTY:
            self._alone_since.pop(plan.pod_id, None)
        elif now - self._alone_since.setdefault(plan.pod_id, now) >= _ALONE_SECONDS:
            plan.has_begun = False
            plan.deadline_at = None
            plan.phase = DrainPhase.ACTIVE


def no_room(places: Places, sessions: int) -> str:
    """What stands in the way, and what to do."""
    return (
        f"no room: the other Access pods take {places.room:.0f} more sessions and {sessions} are"
        " to move; start more Access pods"
    )


def _new_plan(pod: PodFacts, wish: Wish, now: float, wall_ms: int) -> Plan:
    """A plan for this wish; under the name that the pod already follows, if it does."""
    report = pod.report
    name = PlanName(
        PlanKind.DRAIN, wish.cause, wall_ms, round(wish.deadline_seconds * 1000), wish.goal
    )
    plan = Plan(
        plan_id=name.plan_id(pod.pod_id),
        kind=PlanKind.DRAIN,
        pod_id=pod.pod_id,
        cause=wish.cause,
        started_ms=wall_ms,
        is_forced=wish.is_forced,
    )
    plan.remaining = plan.planned = pod.sessions
    if report is not None:
        if report.phase > DrainPhase.ACTIVE and report.plan_id:
            told = read_name(report.plan_id)
            plan.plan_id = report.plan_id
            plan.started_ms = told.started_ms if told is not None else wall_ms
            plan.deadline_at = now + wish.deadline_seconds
        plan.take(report)
    return plan
