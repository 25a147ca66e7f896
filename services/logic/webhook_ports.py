"""What Logic needs to hear, and to tell, the host product's backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from services.logic.domain.events import HostEvent
from services.logic.domain.standings import Standing
from services.logic.domain.verdicts import Question, Verdict


class HostOpinion(Protocol):
    """The say that the host product has before a message is stored."""

    async def ask(self, questions: Sequence[Question]) -> list[Verdict | None]:
        """One verdict a question, in their order; None for one that cannot be used. Raises
        UNAVAILABLE when there is no answer in time, or no verdicts can be found in it."""
        ...


class OutboxState(NamedTuple):
    """What waits in the outbox, whoever put it there."""

    waiting: int
    """Events that wait; at most MAX_COUNTED are counted."""
    dead: int
    """Dead letters; at most MAX_COUNTED are counted."""
    oldest_at_ms: int
    """Unix milliseconds of the oldest that waits; 0 when none does."""
    untaken_ms: int
    """For how long nobody has taken a key that is due; 0 when none is."""


MAX_COUNTED = 100_000


class EventOutbox(Protocol):
    """Where events wait for whoever delivers them."""

    async def put(self, events: Sequence[HostEvent], *, due_ms: int) -> None:
        """Store them; those that wait already stay as they are. Nobody delivers them before
        `due_ms` (Unix milliseconds). Raises UNAVAILABLE: put them again."""
        ...

    async def state(self, *, now_ms: int) -> OutboxState:
        """For people and figures. Raises UNAVAILABLE."""
        ...


class Standings(Protocol):
    """Whether the host product was told that a user is online or offline. Majority."""

    async def find(self, users: Sequence[str]) -> dict[str, Standing]:
        """Those that there are. Raises UNAVAILABLE."""
        ...

    async def due(self, *, now_ms: int, limit: int) -> list[str]:
        """Users to be looked at by now, those that are due for longest first. Raises
        UNAVAILABLE."""
        ...

    async def put(self, standings: Sequence[Standing]) -> None:
        """Store each whose version is one above what is stored (1: nothing is); leave the others
        as they are: somebody else was faster. Raises UNAVAILABLE."""
        ...
