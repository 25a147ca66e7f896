"""The pod's own drain, driven: ticks `PodDrain`, lets `Moves` ask and end, says goodbye at the end.

It needs no controller. Orders make it better paced; SIGTERM and the preStop hook begin it by
themselves, with the targets of the last table of pods.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection
from typing import Final

from services.access.acks import AckKeeper
from services.access.client_stream import ClientStream
from services.access.departures import Departures
from services.access.drain_line import DrainLine
from services.access.moves import Moves
from services.access.session_table import SessionTable
from services.access.settings import DrainSettings
from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.core.drain.grace import least_seconds
from whimbrel.core.drain.pacing import own_share
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainPhase, StaleTermError
from whimbrel.core.drain.targets import TargetChooser
from whimbrel.core.errors import CloseCode
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.registration import Registration

_log = get_logger(__name__)

# With the goodbye (2 s) and the registry's (1 s) the steps after the drain stay below 5 s.
GOODBYE_STEPS_SECONDS: Final = 5.0
_CUT_SECONDS: Final = 0.5
_STEP_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.02
_IDLE_SECONDS: Final = 1.0
_BUSY_SECONDS: Final = 0.05


class Draining:
    """One per pod; `run` is its task."""

    def __init__(
        self,
        drain: PodDrain,
        moves: Moves,
        chooser: TargetChooser,
        table: SessionTable,
        settings: DrainSettings,
        *,
        access_pods: Callable[[], int],
        on_phase: Callable[[DrainPhase], None],
        clock: Callable[[], float],
    ) -> None:
        """`access_pods` counts those of the last table, this one included; of a pod with several
        processes each counts, and each has its part of the pod's share. `on_phase` is told of
        each new phase."""
        self._drain = drain
        self._moves = moves
        self._chooser = chooser
        self._table = table
        self._settings = settings
        self._access_pods = access_pods
        self._on_phase = on_phase
        self._clock = clock
        self._phase = drain.phase
        self._line = DrainLine()
        self._stirred = asyncio.Event()
        self._empty = asyncio.Event()
        self._nowhere_since = math.inf

    @property
    def is_cordoned(self) -> bool:
        """Whether new sessions are sent elsewhere."""
        return self._drain.is_cordoned

    def order(self, order: drain_pb2.AttendResponse) -> None:
        """What the leader of the controllers wants. An order of an older leader is refused."""
        drain, now = self._drain, self._clock()
        kind = order.WhichOneof("order")
        try:
            if kind == "drain":
                deadline_seconds = order.drain.deadline_ms / 1000
                drain.order_drain(
                    order.term,
                    order.drain.plan_id,
                    order.drain.sessions_per_second,
                    deadline_seconds,
                    now,
                )
                self._shares(order.drain.targets, now)
            elif kind == "shed":
                shed = order.shed
                drain.order_shed(
                    order.term, shed.plan_id, shed.count, shed.sessions_per_second, now
                )
                self._shares(shed.targets, now)
            elif kind == "rest":
                drain.order_rest(order.term, now)
                self._chooser.forget_shares()
        except StaleTermError as error:
            _log.warning("order_refused", term=error.term, highest=error.highest)
            return
        self.tick()

    def begin_stop(self, cause: str, deadline_seconds: float) -> None:
        """The process is to end: be empty by then. May be called again."""
        now = self._clock()
        if not self._drain.is_stopping:
            self._say_if_short(deadline_seconds)
        self._drain.stop(cause, f"self-{cause.lower()}", deadline_seconds, now)
        self.tick()

    async def wait_empty(self) -> None:
        """Until no session is left. The drain's own deadline sees to that."""
        await self._empty.wait()

    def tick(self) -> None:
        """Do what is due now."""
        drain, moves, now = self._drain, self._moves, self._clock()
        drain.set_own_rate(own_share(self._chooser.budgets(), self._access_pods()), now)
        was_draining = self._phase is not DrainPhase.ACTIVE
        moves.follow(drain.plan_id, is_same_drain=was_draining and drain.is_cordoned)
        self._look_for_targets(now)
        drain.tick(len(self._table), moves.unasked, now)
        if drain.re_advise_due(now):
            moves.ask_again()
        moves.advise(now)
        moves.force(drain.may_force(now), now)
        if drain.phase is not self._phase:
            self._phase = drain.phase
            _log.info(
                "drain_phase_changed",
                phase=drain.phase.name.lower(),
                plan=drain.plan_id,
                cause=drain.cause,
                sessions=len(self._table),
            )
            self._on_phase(drain.phase)
        self._line.see(drain, len(self._table), now)
        if drain.phase in (DrainPhase.EMPTY, DrainPhase.RELEASED):
            self._empty.set()
        else:
            self._empty.clear()
        self._stirred.set()

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self._stirred.clear()
            self.tick()
            self._stirred.clear()
            busy = self._drain.is_cordoned or self._drain.is_shedding
            try:
                async with asyncio.timeout(_BUSY_SECONDS if busy else _IDLE_SECONDS):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    def _say_if_short(self, deadline_seconds: float) -> None:
        """Whoever set the grace period learns it from the log before anybody is thrown out. Where
        there is a leader the drain may be as fast as all targets together."""
        budgets, sessions = self._chooser.budgets(), len(self._table)
        has_leader = self._drain.term > 0
        rate = math.fsum(budgets) if has_leader else own_share(budgets, self._access_pods())
        if rate <= 0:
            return  # nobody is there to move to, which is another matter
        needed = least_seconds(sessions, rate, self._settings.settle_seconds)
        if needed > deadline_seconds:
            _log.warning(
                "deadline_too_short",
                sessions=sessions,
                per_second=round(rate, 1),
                needed_seconds=math.ceil(needed),
                deadline_seconds=deadline_seconds,
            )

    def _shares(self, targets: Collection[drain_pb2.TargetShare], now: float) -> None:
        shares = [(one.pod_id, one.endpoint, one.weight) for one in targets]
        self._chooser.shares(shares, now)

    def _look_for_targets(self, now: float) -> None:
        """A pod that is being stopped and is the last one does not wait for long. "No place now",
        as a controller says it while the targets are busy, is no reason to give up."""
        if not self._drain.is_stopping or self._chooser.knows_anybody(now):
            self._nowhere_since = math.inf
            return
        self._nowhere_since = min(self._nowhere_since, now)
        if now >= self._nowhere_since + self._settings.nowhere_seconds:
            self._drain.stop(self._drain.cause, self._drain.plan_id, 0.0, now)


class Goodbye:
    """What comes after the last session, or the deadline: every stream ended, every ack stored,
    every route gone, the lease given back."""

    def __init__(
        self,
        acks: AckKeeper,
        departures: Departures,
        open_streams: Collection[ClientStream],
        registration: Registration,
        *,
        spread_seconds: float,
        goodbye_seconds: float,
    ) -> None:
        """`open_streams` is a live view: who has ended is not in it any more."""
        self._acks = acks
        self._departures = departures
        self._open_streams = open_streams
        self._registration = registration
        self._spread_ms = spread_seconds * 1000
        self._goodbye_seconds = goodbye_seconds

    async def say(self) -> None:
        """All of it; no step keeps the next one from its turn."""
        streams = list(self._open_streams)
        for number, stream in enumerate(streams):
            retry_after_ms = round(self._spread_ms * number / len(streams))
            stream.close(CloseCode.SHUTDOWN, "the pod stops", retry_after_ms)
        try:
            async with asyncio.timeout(self._goodbye_seconds + _CUT_SECONDS):
                while self._open_streams:
                    await asyncio.sleep(_POLL_SECONDS)
                    for stream in list(self._open_streams):  # also those that were on their way
                        stream.close(CloseCode.SHUTDOWN, "the pod stops", round(self._spread_ms))
        except TimeoutError:
            _log.warning("streams_left", streams=len(self._open_streams))
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                await self._acks.flush()
                await self._acks.wait_stored()
                await self._departures.wait_idle()
        except TimeoutError:
            _log.warning("acks_left", kept=self._acks.statistics().kept)
        await self._registration.unregister()
        _log.info("pod_drained", streams=len(streams))
