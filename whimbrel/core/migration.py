"""A client's side of a move to another pod: which attempt is due, and what the old pod is told.

    STAYING ──asked──▶ WAITING ──begin──▶ OPENING ──welcomed──▶ STAYING, on the new stream
       ▲                  ▲                  │
       │                  └── refused ───────┤ the target has said no: the next one
       │  resumed                            │
       └────────────── RESUMING ◀── failed ──┘ nobody knows whether the route has moved

The old stream is the session until a Welcome comes on the new one, whatever goes wrong before.
When an attempt may have taken the route along, the client takes it back (Resume) and stays; the
tickets that are left are void then, since they name the epoch that was. Pure: `now` is monotonic
seconds, chance a number in [0, 1).
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_TARGETS: Final = 6
"""Of one move: those of the Migrate, and those that busy ones name."""


class MoveTarget(NamedTuple):
    """Where the next stream may be opened, and what admits it there."""

    endpoint: str
    ticket: str


class MoveState(enum.Enum):
    """See the module."""

    STAYING = "staying"
    WAITING = "waiting"
    OPENING = "opening"
    RESUMING = "resuming"


class Verdict(enum.IntEnum):
    """The answer to a Migrate; the numbers are those of MigrateVerdict."""

    GO = 1
    DEFER = 2
    CANNOT = 3


class MoveAnswer(NamedTuple):
    """What the old pod is told."""

    plan_id: str
    verdict: Verdict
    defer_seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class MoveStatistics:
    """What a Migration did so far."""

    state: MoveState
    asked: int
    moved: int
    refused: int
    resumed: int


class Migration:
    """The moves of one client, one at a time, over all its streams."""

    def __init__(self, resume_seconds: float = 10.0) -> None:
        """`resume_seconds`: how long the old pod may take to answer a Resume."""
        self._resume_seconds = resume_seconds
        self._state = MoveState.STAYING
        self._plan_id = ""
        self._targets: deque[MoveTarget] = deque()
        self._tried: set[str] = set()
        self._at = 0.0
        self._resume_by = 0.0
        self._answers: deque[MoveAnswer] = deque(maxlen=2)
        self._owes_resume = False
        self._asked = self._moved = self._refused = self._resumed = 0

    @property
    def state(self) -> MoveState:
        """See the module."""
        return self._state

    @property
    def plan_id(self) -> str:
        """Of the move that is under way, or of the last one."""
        return self._plan_id

    def next_attempt(self) -> float | None:
        """When to `begin`; None when there is nothing to begin."""
        return self._at if self._state is MoveState.WAITING else None

    def statistics(self) -> MoveStatistics:
        """The figures at this moment."""
        return MoveStatistics(self._state, self._asked, self._moved, self._refused, self._resumed)

    # --- what happens ----------------------------------------------------------------

    def asked(
        self,
        plan_id: str,
        targets: Iterable[MoveTarget],
        jitter_seconds: float,
        now: float,
        chance: float,
        *,
        defer_seconds: float = 0.0,
    ) -> None:
        """A Migrate came; with `defer_seconds` the client would rather move later."""
        self._asked += 1
        if self._state is not MoveState.STAYING:
            self._answers.append(MoveAnswer(plan_id, Verdict.GO))
            return
        if defer_seconds > 0:
            self._answers.append(MoveAnswer(plan_id, Verdict.DEFER, defer_seconds))
            return
        self._plan_id = plan_id
        self._tried.clear()
        self._targets.clear()
        self._add(targets)
        if not self._targets:
            self._give_up("no target")
            return
        self._answers.append(MoveAnswer(plan_id, Verdict.GO))
        self._state = MoveState.WAITING
        self._at = now + jitter_seconds * chance

    def begin(self) -> MoveTarget:
        """The attempt begins now. ValueError when none is due."""
        if self._state is not MoveState.WAITING:
            raise ValueError(f"nothing to begin while {self._state.value}")
        self._state = MoveState.OPENING
        target = self._targets.popleft()
        self._tried.add(target.endpoint)
        return target

    def welcomed(self) -> None:
        """A stream has its Welcome: if it was that of a move, it is the session now."""
        self._moved += self._state is MoveState.OPENING
        self._state = MoveState.STAYING

    def refused(self, reason: str, now: float, more: Iterable[MoveTarget] = ()) -> None:
        """The target was not reached, or has said no before it did anything: the old stream is
        the session, the next target is due."""
        if self._state is not MoveState.OPENING:
            return
        self._refused += 1
        self._add(more)
        if self._targets:
            self._state = MoveState.WAITING
            self._at = now
        else:
            self._give_up(reason)

    def failed(self, reason: str, now: float) -> None:
        """The attempt is over, and nobody knows whether the route has moved: take it back."""
        if self._state is not MoveState.OPENING:
            return
        self._refused += 1
        self._targets.clear()
        self._answers.append(MoveAnswer(self._plan_id, Verdict.CANNOT, 0.0, reason))
        self._state = MoveState.RESUMING
        self._owes_resume = True
        self._resume_by = now + self._resume_seconds

    def resumed(self) -> None:
        """The old pod has the session again."""
        if self._state is MoveState.RESUMING:
            self._resumed += 1
            self._state = MoveState.STAYING

    def lost(self) -> None:
        """The old stream has ended. An attempt that is under way goes on, as the reconnect;
        one that was not begun is not."""
        self._answers.clear()
        self._owes_resume = False
        if self._state is not MoveState.OPENING:
            self._state = MoveState.STAYING
            self._targets.clear()

    def over(self) -> None:
        """The attempt that was the reconnect has failed too."""
        self._state = MoveState.STAYING
        self._targets.clear()

    # --- for the old stream ----------------------------------------------------------

    @property
    def has_words(self) -> bool:
        """Whether one of the next two has something."""
        return bool(self._answers) or self._owes_resume

    def take_answer(self) -> MoveAnswer | None:
        """What to tell the old pod now; each once."""
        return self._answers.popleft() if self._answers else None

    def take_resume(self) -> bool:
        """Whether to say Resume now; once."""
        owes, self._owes_resume = self._owes_resume, False
        return owes

    def resume_deadline(self) -> float | None:
        """When a Resume counts as not answered: the old stream is no session any more."""
        return self._resume_by if self._state is MoveState.RESUMING else None

    # --- inside ----------------------------------------------------------------------

    def _add(self, targets: Iterable[MoveTarget]) -> None:
        known = self._tried | {target.endpoint for target in self._targets}
        for target in targets:
            if len(known) >= MAX_TARGETS:
                return
            if target.endpoint and target.endpoint not in known:
                known.add(target.endpoint)
                self._targets.append(target)

    def _give_up(self, reason: str) -> None:
        self._answers.append(MoveAnswer(self._plan_id, Verdict.CANNOT, 0.0, reason))
        self._state = MoveState.STAYING
