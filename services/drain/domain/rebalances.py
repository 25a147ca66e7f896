"""The plans that let the fuller pods shed after a scale-out, until none is 5 % above the mean.

They stand still while anything drains: a drain changes every figure that they were made from,
and the targets have one budget. When the receivers are others by then, they are made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.drain.domain.facts import Cluster, PodFacts
from services.drain.domain.grants import Share, split_rate
from services.drain.domain.orders import Order, PlannerLimits, Shed
from services.drain.domain.plans import Plan, PlanBook, PlanKind, PlanName, PlanOutcome
from whimbrel.core.drain.pacing import DrainPace, ceiling
from whimbrel.core.drain.rebalance import is_uneven, plan_rebalance

SCALE_OUT: Final = "scale-out"
UNEVEN: Final = "uneven"
_NEW_SECONDS: Final = 600.0
"""A pod that started within so long, and holds little, counts as added."""
_NEW_SHARE: Final = 0.8
_STALLED_SECONDS: Final = 30.0
"""Without a move for so long a plan is over: who is left may not move now."""
_REST_SECONDS: Final = 15.0
"""Between two rebalances: the figures must have come back."""
_STALLED_REST_SECONDS: Final = 300.0

_CALM_SHARE: Final = 0.02
_CALM_SECONDS: Final = 5.0
"""None begins before the number of sessions has stayed within 2 % for so long: while clients come
in numbers the pods are uneven by chance, and will not be in a moment."""


class Rebalances:
    """All rebalance plans of one leader."""

    def __init__(self, book: PlanBook, pace: DrainPace, limits: PlannerLimits) -> None:
        self._book = book
        self._pace = pace
        self._limits = limits
        self._receivers: dict[str, int] = {}
        self._not_before = 0.0
        self._moved: dict[str, tuple[int, float]] = {}
        self._calm_total = 0
        self._calm_since = 0.0

    def step(
        self, cluster: Cluster, *, is_draining: bool, now: float, wall_ms: int
    ) -> dict[str, Order]:
        """What is to be said to the donors."""
        open_pods = {pod_id: pod for pod_id, pod in cluster.pods.items() if pod.is_open}
        for plan in self._book.holding(PlanKind.REBALANCE):
            self._follow(plan, open_pods.get(plan.pod_id), now, wall_ms, is_draining=is_draining)
        plans = self._book.holding(PlanKind.REBALANCE)
        if plans and not is_draining and not self._receivers.keys() <= open_pods.keys():
            for plan in plans:
                self._close(plan, PlanOutcome.ABORTED, wall_ms)
            plans = []
        if not plans and not is_draining and self._limits.rebalances and now >= self._not_before:
            plans = self._begin(open_pods, now, wall_ms)
        if not plans:
            return {}
        shares = self._shares(open_pods)
        rates = self._rates(plans, open_pods, now) if not is_draining else {}
        return {
            plan.pod_id: self._order(plan, rates.get(plan.pod_id, 0.0), shares) for plan in plans
        }

    def call_off(self, pod_id: str, wall_ms: int) -> None:
        """This pod shall be empty instead, or nobody wants it to shed any more."""
        plan = self._book.of(pod_id)
        if plan is not None and plan.kind is PlanKind.REBALANCE:
            self._close(plan, PlanOutcome.ABORTED, wall_ms)

    def rest(self, now: float, seconds: float = _STALLED_REST_SECONDS) -> None:
        """Begin none for so long: an operator has ended one."""
        self._not_before = max(self._not_before, now + seconds)

    # --- inside ----------------------------------------------------------------------

    def _follow(
        self, plan: Plan, pod: PodFacts | None, now: float, wall_ms: int, *, is_draining: bool
    ) -> None:
        if pod is None or pod.report is None:
            self._close(plan, PlanOutcome.POD_LOST, wall_ms)
            return
        if plan.incarnation not in ("", pod.report.incarnation):
            self._close(plan, PlanOutcome.POD_LOST, wall_ms)
            return
        plan.take(pod.report)
        moved, since = self._moved.get(plan.pod_id, (-1, now))
        if plan.moved != moved or is_draining:
            self._moved[plan.pod_id] = (plan.moved, now)
            since = now
        if plan.has_begun and plan.moved >= plan.count:
            self._close(plan, PlanOutcome.DONE, wall_ms)
            self.rest(now, _REST_SECONDS)
        elif now - since >= _STALLED_SECONDS:
            self._close(plan, PlanOutcome.DONE if plan.moved else PlanOutcome.ABORTED, wall_ms)
            self.rest(now)

    def _close(self, plan: Plan, outcome: PlanOutcome, wall_ms: int) -> None:
        self._book.end(plan, outcome, wall_ms)
        self._book.let_go(plan)
        self._moved.pop(plan.pod_id, None)

    def _begin(self, pods: Mapping[str, PodFacts], now: float, wall_ms: int) -> list[Plan]:
        sessions = {pod_id: pod.sessions for pod_id, pod in pods.items()}
        was_added = _was_added(pods, now)
        is_calm = self._is_calm(sum(sessions.values()), now)
        if not is_calm or not is_uneven(sessions, was_added=was_added):
            return []
        wanted = plan_rebalance(sessions)
        if wanted is None:
            return []
        self._receivers = wanted.receivers
        cause = SCALE_OUT if was_added else UNEVEN
        for pod_id, count in wanted.donors.items():
            if self._book.of(pod_id) is not None or pods[pod_id].report is None:
                continue
            name = PlanName(PlanKind.REBALANCE, cause, wall_ms, count)
            plan = Plan(
                plan_id=name.plan_id(pod_id),
                kind=PlanKind.REBALANCE,
                pod_id=pod_id,
                cause=cause,
                started_ms=wall_ms,
                count=count,
                planned=count,
                remaining=count,
                target_pod_ids=list(wanted.receivers),
            )
            self._book.begin(plan)
        return self._book.holding(PlanKind.REBALANCE)

    def _is_calm(self, total: int, now: float) -> bool:
        if abs(total - self._calm_total) > _CALM_SHARE * self._calm_total:
            self._calm_total, self._calm_since = total, now
        return now - self._calm_since >= _CALM_SECONDS

    def _shares(self, pods: Mapping[str, PodFacts]) -> tuple[Share, ...]:
        """The receivers, each by what it is to get in all: nobody becomes a donor by it."""
        return tuple(
            Share(pod_id, registered.endpoint, float(count))
            for pod_id, count in self._receivers.items()
            if pod_id in pods and (registered := pods[pod_id].registered) is not None
        )

    def _rates(
        self, plans: list[Plan], pods: Mapping[str, PodFacts], now: float
    ) -> dict[str, float]:
        receivers = [pods[pod_id] for pod_id in self._receivers if pod_id in pods]
        budget = self._limits.default_budget_per_second
        wanted = sum(self._receivers.values())
        # The fullest share must stay within its receiver's budget.
        least = min(
            (
                pod.candidate(budget).arrivals_per_second * wanted / self._receivers[pod.pod_id]
                for pod in receivers
            ),
            default=0.0,
        )
        rate = self._pace.observe(
            [pod.report.health for pod in receivers if pod.report is not None],
            ceiling(
                [least],
                route_store_per_second=self._limits.route_store_per_second,
                operator_per_second=self._limits.operator_per_second,
            ),
            now,
        )
        return split_rate(rate, {plan.pod_id: (plan.remaining, 60.0) for plan in plans})

    def _order(self, plan: Plan, rate_per_second: float, shares: tuple[Share, ...]) -> Order:
        plan.rate_per_second = rate_per_second
        plan.waiting_for = "" if rate_per_second > 0 else "a drain is under way"
        return Shed(plan.plan_id, plan.count, rate_per_second, shares)


def _was_added(pods: Mapping[str, PodFacts], now: float) -> bool:
    """Whether some pod is young and holds little: it was added, whoever added it."""
    mean = sum(pod.sessions for pod in pods.values()) / max(1, len(pods))
    return any(
        pod.registered is not None
        and now - pod.registered.started_at < _NEW_SECONDS
        and pod.sessions < _NEW_SHARE * mean
        for pod in pods.values()
    )
