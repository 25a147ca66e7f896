"""Access pods as a controller sees them: the real machine of a drain, with sessions that are
numbers and move at once, attending over real gRPC to every controller that there is."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping

import grpc

from tests.waiting import Every
from whimbrel.api.drain.v1 import drain_pb2, drain_pb2_grpc
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.drain.candidates import Candidate
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainPhase, DrainTimes, StaleTermError
from whimbrel.core.drain.targets import TargetChooser
from whimbrel.runtime.cancelling import check_cancelled
from whimbrel.runtime.channels import open_channel

TICK_SECONDS = 0.01
REPORT_SECONDS = 0.05
BUDGET = 2_000


class FakePod:
    """One pod. `others` are all pods, by name, so that sessions have somewhere to arrive."""

    def __init__(
        self,
        pod_id: str,
        others: Mapping[str, FakePod],
        *,
        sessions: int = 0,
        max_sessions: int = 0,
        role: str = "access",
    ) -> None:
        self.pod_id = pod_id
        self.incarnation = f"{pod_id}-{random.getrandbits(32):x}"
        self.role = role
        self.sessions = sessions
        self.max_sessions = max_sessions
        self.arrived = 0
        self.moves_blocked = False
        """True: its clients do not follow, until the deadline."""
        self.drain = PodDrain(DrainTimes(settle_seconds=0.1))
        self.said = DrainPhase.ACTIVE
        """Its last report."""
        self._is_ending = False
        self.stale_orders = 0
        self._changed = asyncio.Event()
        self.orders: list[drain_pb2.AttendResponse] = []
        self.started_ms = round(time.time() * 1000)
        self._others = others
        self._chooser = TargetChooser()
        self._asked = 0
        self._plan = ""
        self._stop_at: float | None = None

    @property
    def phase(self) -> DrainPhase:
        return self.drain.phase

    def stop(self, seconds: float) -> None:
        """SIGTERM, with so long until SIGKILL."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + seconds
            self.drain.stop("SIGTERM", "self-1", seconds, time.monotonic())

    def registered(self) -> router_pb2.Pod:
        """What it says to the registry."""
        return router_pb2.Pod(
            pod_id=self.pod_id,
            incarnation=self.incarnation,
            role=router_pb2.PodRole.Value(f"POD_ROLE_{self.role.upper()}"),
            client_endpoint=f"{self.pod_id}:1" if self.role == "access" else "",
            state=(
                router_pb2.POD_STATE_DRAINING
                if self.drain.is_cordoned
                else router_pb2.POD_STATE_ACTIVE
            ),
            sessions=self.sessions,
            started_ms=self.started_ms,
            max_sessions=self.max_sessions,
            arrivals_per_second=BUDGET,
        )

    def candidate(self) -> Candidate:
        """As the others see it in their last table."""
        return Candidate(
            self.pod_id,
            f"{self.pod_id}:1",
            self.sessions,
            is_open=not self.drain.is_cordoned,
            max_sessions=self.max_sessions,
        )

    async def run(self) -> None:
        """The pod's own loop."""
        self.drain.set_own_rate(BUDGET / 4, time.monotonic())
        async for _ in Every(TICK_SECONDS):
            before = self.drain.phase
            self._chooser.see(
                [pod.candidate() for pod in self._others.values() if pod.role == "access"],
                leaving=self.pod_id,
                revision=None,
                now=time.monotonic(),
            )
            self.tick(time.monotonic())
            if self.drain.phase is not before:
                self._news()

    def end(self) -> None:
        """The process ends by itself: last words, then half-closed streams."""
        self._is_ending = True
        self._news()

    async def attend(self, address: str) -> None:
        """Its stream to one controller, opened again whenever it breaks."""
        async for _ in Every(TICK_SECONDS):
            if self._is_ending:
                return
            async with open_channel(address) as channel:
                call = drain_pb2_grpc.DrainServiceStub(channel).Attend(self._reports())
                try:
                    async for order in call:
                        self._obey(order)
                except grpc.aio.AioRpcError:
                    check_cancelled()
                finally:
                    call.cancel()

    def tick(self, now: float) -> None:
        """Ask whom it may; they move at once, unless they are blocked."""
        drain = self.drain
        if drain.plan_id != self._plan:
            self._plan, self._asked = drain.plan_id, 0
        drain.tick(self.sessions, max(0, self.sessions - self._asked), now)
        if drain.re_advise_due(now):
            self._asked = 0
        for _ in range(min(drain.may_advise(now), self.sessions - self._asked)):
            targets = self._chooser.choose(random.getrandbits(64), now)
            if not targets and not drain.is_cordoned:
                break
            drain.advised(1, now)
            self._asked += 1
            if not targets or self.moves_blocked:
                continue
            self._others[targets[0].pod_id].arrive()
            self.sessions -= 1
            self._asked -= 1
            drain.moved()
        forced = drain.may_force(now)
        self.sessions -= forced
        drain.forced(forced)
        drain.tick(self.sessions, max(0, self.sessions - self._asked), now)

    def arrive(self) -> None:
        """A session moves here."""
        assert not self.drain.is_cordoned, f"{self.pod_id} is on its way out and was a target"
        self.sessions += 1
        self.arrived += 1
        if self.max_sessions:
            assert self.sessions <= self.max_sessions, f"{self.pod_id} is overloaded"

    def _news(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _obey(self, order: drain_pb2.AttendResponse) -> None:
        now = time.monotonic()
        self.orders.append(order)
        kind = order.WhichOneof("order")
        try:
            if kind == "rest":
                self.drain.order_rest(order.term, now)
                self._chooser.forget_shares()
            elif kind == "drain":
                drain = order.drain
                self.drain.order_drain(
                    order.term,
                    drain.plan_id,
                    drain.sessions_per_second,
                    drain.deadline_ms / 1000,
                    now,
                )
                self._take_shares(drain.targets, now)
            elif kind == "shed":
                shed = order.shed
                self.drain.order_shed(
                    order.term, shed.plan_id, shed.count, shed.sessions_per_second, now
                )
                self._take_shares(shed.targets, now)
        except StaleTermError:
            self.stale_orders += 1
        self._news()

    def _take_shares(self, targets: object, now: float) -> None:
        shares = [(one.pod_id, one.endpoint, one.weight) for one in targets]  # type: ignore[attr-defined]
        self._chooser.shares(shares, now)

    async def _reports(self) -> AsyncIterator[drain_pb2.AttendRequest]:
        while not self._is_ending:
            stats = self.drain.statistics()
            left = max(0.001, self._stop_at - time.monotonic()) if self._stop_at else 0.0
            yield drain_pb2.AttendRequest(
                pod_id=self.pod_id,
                incarnation=self.incarnation,
                term=stats.term,
                phase=drain_pb2.DrainPhase.ValueType(stats.phase),
                plan_id=stats.plan_id,
                sessions=self.sessions,
                planned=stats.planned,
                advised=stats.advised,
                moved=stats.moved,
                deferred=stats.deferred,
                failed=stats.failed,
                forced=stats.forced,
                arrivals_per_second=BUDGET,
                stopping_in_ms=max(1, round(left * 1000)) if self._stop_at else 0,
                cause=self.drain.cause,
            )
            self.said = stats.phase
            changed = self._changed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    await changed.wait()
