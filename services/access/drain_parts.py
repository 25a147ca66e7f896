"""The parts of a pod that come into play when sessions come and go, made together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from services.access.admission import Admission
from services.access.arrivals import BURST_SECONDS, Arrivals
from services.access.move_targets import MoveTargets
from services.access.moves import Moves
from services.access.session_table import SessionTable
from services.access.settings import DrainSettings
from services.access.tickets import TicketOffice
from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainTimes
from whimbrel.core.drain.targets import TargetChooser
from whimbrel.core.revocations import RevocationTable
from whimbrel.runtime.tokens import TokenVerifier


@dataclass(frozen=True)
class DrainParts:
    """One of each per pod."""

    drain: PodDrain
    chooser: TargetChooser
    arrivals: Arrivals
    moves: Moves
    admission: Admission

    @classmethod
    def make(
        cls,
        pod_id: str,
        secret: bytes,
        table: SessionTable,
        settings: DrainSettings,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
        tokens: TokenVerifier | None = None,
        revoked: RevocationTable | None = None,
        is_full: Callable[[], bool] = lambda: False,
        burst_seconds: float = BURST_SECONDS,
    ) -> DrainParts:
        """`clock` is monotonic seconds, `wall_clock` seconds since the Unix epoch; `is_full`:
        nobody else may come; `burst_seconds`: see Arrivals."""
        drain = PodDrain(DrainTimes(settle_seconds=settings.settle_seconds))
        chooser = TargetChooser()
        tickets = TicketOffice(secret, clock=wall_clock)
        arrivals = Arrivals(settings.arrivals_per_second, clock(), burst_seconds)
        targets = MoveTargets(chooser, tickets)
        moves = Moves(table, drain, targets, settings, clock=clock)
        admission = Admission(
            pod_id,
            tokens or TokenVerifier(secret),
            tickets,
            arrivals,
            targets,
            table,
            settings,
            lambda: drain.is_cordoned,
            RevocationTable() if revoked is None else revoked,
            is_full,
        )
        return cls(drain, chooser, arrivals, moves, admission)
