"""The loop of the controller: look at everything, decide, say it. Once a second and at each news.

It runs in every controller, so that a new leader knows the pods at once; only the leader decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from services.drain.attendance import Attendance, Told
from services.drain.domain.facts import Cluster, Registered, Report, merge
from services.drain.domain.planner import Planner
from services.drain.domain.plans import Plan
from services.drain.domain.processes import divide_orders, fold_reports
from services.drain.ports import PlanObserver, Platform, PlatformView
from services.drain.usecases.act import Act
from services.drain.usecases.lead import Leader
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

INTERVAL_SECONDS: Final = 1.0
_LEAST_SECONDS: Final = 0.05
"""Between two looks: many news come together."""
_FIRST_BACKOFF_SECONDS: Final = 0.2
_LONGEST_BACKOFF_SECONDS: Final = 10.0


class ReconcileStatistics(NamedTuple):
    """The figures at this moment."""

    looks: int
    views: int
    watch_failures: int


class Reconcile:
    """`run` is its task. Operators' requests change the planner and call `soon`."""

    def __init__(
        self,
        platform: Platform,
        attendance: Attendance,
        registry: Callable[[], Iterable[Registered]],
        leader: Leader,
        planner: Planner,
        observers: Sequence[PlanObserver] = (),
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._platform = platform
        self._attendance = attendance
        self._registry = registry
        self._leader = leader
        self._planner = planner
        self._observers = observers
        self._clock = clock
        self._wall_clock = wall_clock
        self._act = Act(platform)
        self._view: PlatformView | None = None
        self._news = asyncio.Event()
        self._led_term: int | None = None
        self._plans_changed = asyncio.Event()
        self._looks = self._views = self._watch_failures = 0

    @property
    def cluster(self) -> Cluster:
        """Everything that is known now."""
        return self._merge({})

    @property
    def has_view(self) -> bool:
        """Whether the platform has answered at least once."""
        return self._view is not None

    def soon(self) -> None:
        """Something has changed: look at once."""
        self._news.set()

    async def wait_plans(self) -> None:
        """Until the plans have been looked at again."""
        await self._plans_changed.wait()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._act.run())
            while True:
                self.look()
                try:
                    async with asyncio.timeout(INTERVAL_SECONDS):
                        await self._news.wait()
                except TimeoutError:
                    continue
                finally:
                    self._news.clear()
                await asyncio.sleep(_LEAST_SECONDS)

    def look(self) -> None:
        """Once. Without the platform's first view nothing is decided: a pod that it is about to
        kill would be taken for a target."""
        self._looks += 1
        last_words = self._attendance.take_last_words()
        now, wall_ms = self._clock(), round(self._wall_clock() * 1000)
        if self._view is None or not self._leader.leads:
            self._led_term = None
            self._announce((), (), wall_ms)
            return
        if self._led_term != self._leader.term:
            self._planner.forget()
            self._led_term = self._leader.term
        decision = self._planner.step(self._merge(last_words), now, wall_ms)
        orders = divide_orders(decision.orders, self._attendance.reports())
        for process_id, order in orders.items():
            self._attendance.tell(process_id, Told(self._leader.term, order))
        self._act.want(decision.actions)
        ended = self._planner.book.take_ended()
        for plan in ended:
            _log_end(plan)
        self._announce(self._planner.book.all_holding(), ended, wall_ms)

    def statistics(self) -> ReconcileStatistics:
        """The figures at this moment."""
        return ReconcileStatistics(self._looks, self._views, self._watch_failures)

    def _merge(self, last_words: dict[str, Report]) -> Cluster:
        view = self._view or PlatformView()
        reports = fold_reports(self._attendance.reports())
        return merge(view, self._registry(), reports, fold_reports(last_words))

    def _announce(self, held: Sequence[Plan], ended: Sequence[Plan], wall_ms: int) -> None:
        for observer in self._observers:
            observer.see(held, ended, wall_ms)
        self._plans_changed.set()
        self._plans_changed = asyncio.Event()

    async def _watch(self) -> None:
        """Keep the view fresh. The last one stays while the platform is away."""
        failures = 0
        while True:
            try:
                async for view in self._platform.watch():
                    if failures:
                        _log.info("platform_back", failures=failures)
                    failures = 0
                    self._views += 1
                    self._view = view
                    self.soon()
            except WhimbrelError as error:
                if failures == 0:
                    _log.warning("platform_away", reason=error.detail)
            failures += 1
            self._watch_failures += 1
            wait = _FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 8)
            await asyncio.sleep(min(_LONGEST_BACKOFF_SECONDS, wait))


def _log_end(plan: Plan) -> None:
    """The canonical line of a plan."""
    _log.info(
        "plan_ended",
        plan=plan.plan_id,
        kind=plan.kind.name.lower(),
        pod=plan.pod_id,
        cause=plan.cause,
        outcome=plan.outcome.name.lower() if plan.outcome is not None else "",
        planned=plan.planned,
        moved=plan.moved,
        deferred=plan.deferred,
        failed=plan.failed,
        forced=plan.forced,
        remaining=plan.remaining,
        seconds=round((plan.ended_ms - plan.started_ms) / 1000, 1),
    )
