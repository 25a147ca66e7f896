"""What Logic needs to hear, and to tell, the host product's backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.logic.domain.events import HostEvent
from services.logic.domain.verdicts import Question, Verdict


class HostOpinion(Protocol):
    """The say that the host product has before a message is stored."""

    async def ask(self, questions: Sequence[Question]) -> list[Verdict]:
        """One verdict a question, in their order. Raises UNAVAILABLE when there is no answer in
        time or none that can be used."""
        ...


class EventOutbox(Protocol):
    """Where events wait for whoever delivers them."""

    async def put(self, events: Sequence[HostEvent], *, due_ms: int) -> None:
        """Store them; those that wait already stay as they are. Nobody delivers an event of a key
        that had none before `due_ms` (Unix milliseconds). Raises UNAVAILABLE: put them again."""
        ...
