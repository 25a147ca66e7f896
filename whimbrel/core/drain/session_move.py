"""One session on the pod that it is asked to leave.

    ATTACHED ──ADVISE──▶ ADVISED ──GO──▶ OVERLAP ──ROSE──▶ SWITCHED ──END──▶ GONE
        ▲                   │  ╲            │                 │
        │◀──────CANNOT──────┤   DEFER       │                 │
        │◀──────────────────┼────╲──RESUME──┴──────RESUME─────┘
        │                   ▼     ▼
        │                FORCED  DEFERRED ──ADVISE──▶ ADVISED

The table below is the whole truth; the rest only keeps what an event says beside it. An epoch
that rose may be learned of in any state: the client moved by itself, or its answer was lost.
A client may never answer: then the drain asks again, and forces it in the end. Illegal events
raise and change nothing. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple


class MoveState(enum.Enum):
    """Where a session stands."""

    ATTACHED = "attached"
    ADVISED = "advised"
    DEFERRED = "deferred"
    OVERLAP = "overlap"
    SWITCHED = "switched"
    FORCED = "forced"
    GONE = "gone"


class MoveEvent(enum.Enum):
    """What happens to it."""

    ADVISE = "Migrate was sent"
    GO = "the client goes"
    DEFER = "the client wants to be asked later"
    CANNOT = "no target took it"
    ROSE = "another pod has a higher epoch"
    RESUME = "the route was taken back"
    FORCE = "the stream is ended"
    END = "the stream has ended"
    ABORT = "nothing is wanted any more"


_S, _E = MoveState, MoveEvent

MOVES: Final[dict[MoveState, dict[MoveEvent, MoveState]]] = {
    _S.ATTACHED: {
        _E.ADVISE: _S.ADVISED,
        _E.GO: _S.OVERLAP,  # the answer to an advice that was withdrawn meanwhile
        _E.DEFER: _S.ATTACHED,
        _E.CANNOT: _S.ATTACHED,
        _E.ROSE: _S.SWITCHED,
        _E.RESUME: _S.ATTACHED,
        _E.FORCE: _S.FORCED,
        _E.END: _S.GONE,
        _E.ABORT: _S.ATTACHED,
    },
    _S.ADVISED: {
        _E.ADVISE: _S.ADVISED,  # asked again
        _E.GO: _S.OVERLAP,
        _E.DEFER: _S.DEFERRED,
        _E.CANNOT: _S.ATTACHED,
        _E.ROSE: _S.SWITCHED,
        _E.RESUME: _S.ATTACHED,
        _E.FORCE: _S.FORCED,
        _E.END: _S.GONE,
        _E.ABORT: _S.ATTACHED,
    },
    _S.DEFERRED: {
        _E.ADVISE: _S.ADVISED,
        _E.GO: _S.OVERLAP,  # it has found time
        _E.DEFER: _S.DEFERRED,
        _E.CANNOT: _S.ATTACHED,
        _E.ROSE: _S.SWITCHED,
        _E.RESUME: _S.ATTACHED,
        _E.FORCE: _S.FORCED,
        _E.END: _S.GONE,
        _E.ABORT: _S.ATTACHED,
    },
    _S.OVERLAP: {
        _E.ADVISE: _S.OVERLAP,  # "a Migrate that comes while the client moves changes nothing"
        _E.GO: _S.OVERLAP,
        _E.DEFER: _S.DEFERRED,
        _E.CANNOT: _S.ATTACHED,
        _E.ROSE: _S.SWITCHED,
        _E.RESUME: _S.ATTACHED,
        _E.FORCE: _S.FORCED,
        _E.END: _S.GONE,
        _E.ABORT: _S.OVERLAP,  # moves that are under way go on
    },
    _S.SWITCHED: {
        _E.ROSE: _S.SWITCHED,  # by the link and by the re-assert
        _E.RESUME: _S.ATTACHED,
        _E.GO: _S.SWITCHED,  # a late answer
        _E.CANNOT: _S.SWITCHED,  # then it says Resume next, or its stream ends
        _E.END: _S.GONE,
        _E.ABORT: _S.SWITCHED,
    },
    _S.FORCED: {_E.ROSE: _S.FORCED, _E.END: _S.GONE, _E.ABORT: _S.FORCED},
    _S.GONE: {},
}
"""What leads where. What is not here is illegal."""


class IllegalMoveError(Exception):
    """An event in a state that does not have it; nothing was changed."""

    def __init__(self, state: MoveState, event: MoveEvent) -> None:
        super().__init__(f"{event.name} in {state.name}")
        self.state = state
        self.event = event


class MoveStatistics(NamedTuple):
    """The figures of one session."""

    state: MoveState
    times_advised: int
    was_moved: bool
    was_forced: bool


class SessionMove:
    """One session's machine, from its attachment to its end."""

    __slots__ = (
        "_asked_at",
        "_deferred_until",
        "_failed_targets",
        "_plan_id",
        "_state",
        "_targets",
        "_times_advised",
        "_was_forced",
        "_was_moved",
    )

    def __init__(self) -> None:
        self._state = MoveState.ATTACHED
        self._plan_id = ""
        self._times_advised = 0
        self._asked_at: float | None = None
        self._deferred_until: float | None = None
        self._targets: tuple[str, ...] = ()
        self._failed_targets: frozenset[str] = frozenset()
        self._was_moved = False
        self._was_forced = False

    @property
    def state(self) -> MoveState:
        """Where it stands."""
        return self._state

    @property
    def plan_id(self) -> str:
        """The plan under which it was asked last; empty when it was not."""
        return self._plan_id

    @property
    def failed_targets(self) -> frozenset[str]:
        """Pods that it could not move to, for the choice of the next ones."""
        return self._failed_targets

    def advise(self, plan_id: str, targets: tuple[str, ...], now: float) -> None:
        """Migrate was sent, with these pods as targets."""
        self._apply(MoveEvent.ADVISE)
        self._plan_id = plan_id
        self._times_advised += 1
        self._asked_at = now
        self._deferred_until = None
        if self._state is MoveState.ADVISED:
            self._targets = targets

    def go(self) -> None:
        """MigrateAck GO."""
        self._apply(MoveEvent.GO)

    def defer(self, seconds: float, now: float) -> None:
        """MigrateAck DEFER: not for so long."""
        self._apply(MoveEvent.DEFER)
        self._deferred_until = now + max(0.0, seconds)

    def cannot(self) -> None:
        """MigrateAck CANNOT: no target took it."""
        self._apply(MoveEvent.CANNOT)
        self._failed_targets |= frozenset(self._targets)

    def rose(self) -> None:
        """A higher epoch of the device is known: it is attached elsewhere."""
        self._apply(MoveEvent.ROSE)
        self._was_moved = self._state is MoveState.SWITCHED

    def resume(self) -> None:
        """The client said Resume, and the route is this pod's again."""
        self._apply(MoveEvent.RESUME)
        self._was_moved = False
        self._failed_targets |= frozenset(self._targets)

    def force(self) -> None:
        """The stream is ended by Redirect or Close, without a move."""
        self._apply(MoveEvent.FORCE)
        self._was_forced = True

    def end(self) -> None:
        """The stream has ended, for whatever reason."""
        self._apply(MoveEvent.END)

    def abort(self) -> None:
        """Its plan is over: who has not begun to move stays."""
        self._apply(MoveEvent.ABORT)
        self._plan_id = ""
        self._deferred_until = None
        self._failed_targets = frozenset()

    def is_askable(self, plan_id: str, now: float, *, is_last_call: bool = False) -> bool:
        """Whether to send Migrate under this plan now: it was not asked yet, or it could not, or
        the time for which it deferred is over (a last call does not wait for that)."""
        if self._state is MoveState.ATTACHED:
            return True
        if self._state is MoveState.DEFERRED:
            return is_last_call or self._deferred_until is None or now >= self._deferred_until
        return self._state is MoveState.ADVISED and (is_last_call or self._plan_id != plan_id)

    def statistics(self) -> MoveStatistics:
        """The figures at this moment."""
        return MoveStatistics(self._state, self._times_advised, self._was_moved, self._was_forced)

    def _apply(self, event: MoveEvent) -> None:
        after = MOVES[self._state].get(event)
        if after is None:
            raise IllegalMoveError(self._state, event)
        self._state = after
