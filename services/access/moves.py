"""Which of this pod's sessions are asked to move, where each goes, and what becomes of it.

How many and when is `PodDrain`'s to say, where to is `MoveTargets`'; here are the streams.
Nothing waits here.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Final

from services.access import frames
from services.access.move_targets import MoveTargets
from services.access.settings import DrainSettings
from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.rebalance import Mover, choose_movers
from whimbrel.core.drain.session_move import MoveState
from whimbrel.core.drain.targets import Target
from whimbrel.core.errors import CloseCode

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream
    from services.access.session_table import SessionTable

_AGAIN_SECONDS: Final = 1.0
"""Before a session that could not move is asked again, and one that was attaching at all."""


class Moves:
    """The moves away from one pod."""

    def __init__(
        self,
        table: SessionTable,
        drain: PodDrain,
        targets: MoveTargets,
        settings: DrainSettings,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._table = table
        self._drain = drain
        self._targets = targets
        self._settings = settings
        self._clock = clock
        self._plan_id = ""
        self._is_last_call = False
        self._queue: deque[ClientStream] = deque()
        self._later: list[tuple[float, int, ClientStream]] = []
        self._numbers = count()

    @property
    def unasked(self) -> int:
        """Sessions that were not asked yet under the present plan, at most."""
        return len(self._queue)

    # --- for the drain ---------------------------------------------------------------

    def follow(self, plan_id: str, *, is_same_drain: bool) -> None:
        """The plan now, empty for none. With `is_same_drain` only its name is another one."""
        if plan_id == self._plan_id:
            return
        self._plan_id = plan_id
        if is_same_drain:
            return
        self._later.clear()
        self._is_last_call = False
        for stream in self._table:
            if stream.move.state is not MoveState.GONE:
                stream.move.abort()
        self._queue = deque(self._in_order()) if plan_id else deque()

    def ask_again(self) -> None:
        """Whoever is still here is asked once more, also who wants to be asked later."""
        self._is_last_call = True
        self._later.clear()
        self._queue = deque(self._in_order())

    def advise(self, now: float) -> None:
        """Ask as many as may be asked now."""
        while self._later and self._later[0][0] <= now:
            self._queue.append(heapq.heappop(self._later)[2])
        allowed = self._drain.may_advise(now)
        asked = 0
        while asked < allowed and self._queue:
            stream = self._queue.popleft()
            if not _is_here(stream):
                continue
            if not stream.is_attached:
                self._ask_later(stream, now + _AGAIN_SECONDS)
            elif not stream.migrates:
                # Waiting does not help a client that cannot be asked: it is ended at this pace.
                asked += self._end_unasked(stream, now)
            elif stream.move.is_askable(self._plan_id, now, is_last_call=self._is_last_call):
                targets = self._targets.fresh(stream, now)
                if not targets:
                    self._queue.appendleft(stream)
                    break
                self._ask(stream, targets, now)
                asked += 1
        if asked:
            self._drain.advised(asked, now)

    def force(self, number: int, now: float) -> None:
        """End so many streams that have not moved."""
        for stream in self._table:
            if number <= 0:
                return
            if _is_here(stream):
                self._end(stream, now)
                number -= 1

    # --- from the streams ------------------------------------------------------------

    def answered(self, stream: ClientStream, ack: access_pb2.MigrateAck, now: float) -> None:
        """A MigrateAck. One that comes out of turn changes nothing."""
        before = stream.move.state
        if stream.final is not None or before not in (MoveState.ADVISED, MoveState.OVERLAP):
            return
        if ack.verdict == access_pb2.MIGRATE_VERDICT_GO:
            stream.move.go()
        elif ack.verdict == access_pb2.MIGRATE_VERDICT_DEFER:
            stream.move.defer(ack.defer_ms / 1000, now)
            self._drain.deferred()
            self._ask_later(stream, now + max(_AGAIN_SECONDS, ack.defer_ms / 1000))
        elif ack.verdict == access_pb2.MIGRATE_VERDICT_CANNOT:
            stream.move.cannot()
            self._drain.failed()
            self._ask_later(stream, now + _AGAIN_SECONDS)

    def rose(self, stream: ClientStream) -> None:
        """The session is attached elsewhere."""
        before = stream.move.state
        if before in (MoveState.SWITCHED, MoveState.FORCED, MoveState.GONE):
            return
        stream.move.rose()  # it counts as moved when its old stream has ended

    def resumed(self, stream: ClientStream, now: float) -> None:
        """The session is this stream's again."""
        if stream.move.state not in (MoveState.FORCED, MoveState.GONE):
            stream.move.resume()
            self._ask_later(stream, now + _AGAIN_SECONDS)

    def ended(self, stream: ClientStream) -> None:
        """Its stream is over, however it ended. Harmless twice."""
        before = stream.move.state
        if before is MoveState.GONE:
            return
        stream.move.end()
        if self._plan_id and before is MoveState.SWITCHED:
            self._drain.moved()
        elif self._plan_id and before in (MoveState.ADVISED, MoveState.OVERLAP):
            self._drain.failed()

    # --- inside ----------------------------------------------------------------------

    def _in_order(self) -> list[ClientStream]:
        """Who is asked first: in a drain the idle, in a shed those that the receivers like best
        and no other (they are the same after a controller was started again)."""
        here = [stream for stream in self._table if _is_here(stream)]
        if not self._drain.is_shedding:
            return sorted(here, key=lambda stream: not _is_idle(stream))
        by_key = {stream.key: stream for stream in here if stream.migrates}
        movers = [Mover(s.key, s.arrived_at, _is_idle(s)) for s in by_key.values()]
        receivers = self._targets.receivers(self._clock())
        order = choose_movers(movers, receivers, len(movers), self._clock())
        return [by_key[key] for key in order]

    def _ask(self, stream: ClientStream, targets: list[Target], now: float) -> None:
        stream.move.advise(self._plan_id, tuple(target.pod_id for target in targets), now)
        is_shed = self._drain.is_shedding
        left = 0.0 if is_shed else max(0.0, self._drain.deadline - now)
        stream.outbound.migrate(
            access_pb2.Migrate(
                plan_id=self._plan_id,
                reason=(
                    access_pb2.MIGRATE_REASON_REBALANCE
                    if is_shed
                    else access_pb2.MIGRATE_REASON_DRAIN
                ),
                targets=self._targets.with_tickets(stream, targets, stream.epoch),
                jitter_ms=self._settings.jitter_ms,
                deadline_ms=round(left * 1000),
            )
        )
        stream.wake()

    def _ask_later(self, stream: ClientStream, at: float) -> None:
        if self._plan_id and _is_here(stream):
            heapq.heappush(self._later, (at, next(self._numbers), stream))

    def _end_unasked(self, stream: ClientStream, now: float) -> int:
        if self._drain.is_shedding:
            return 0
        self._end(stream, now)
        return 1

    def _end(self, stream: ClientStream, now: float) -> None:
        """End a stream that did not move: where to go on, or when to come back."""
        stream.move.force()
        self._drain.forced()
        if stream.migrates:
            targets = self._targets.elsewhere(stream, stream.epoch, now)
            if targets:
                stream.end(frames.redirect(targets, self._settings.jitter_ms), "redirect")
                return
        spread_ms = self._settings.close_spread_seconds * 1000
        stream.close(CloseCode.SHUTDOWN, "the pod stops", round(spread_ms * random.random()))


def _is_idle(stream: ClientStream) -> bool:
    """Nothing is under way, and nobody looks at it."""
    return stream.is_background and not stream.unanswered


def _is_here(stream: ClientStream) -> bool:
    return not (stream.is_over or stream.is_superseded or stream.is_kicked) and stream.final is None
