"""What Logic needs of the host product's backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.logic.domain.verdicts import Question, Verdict


class HostOpinion(Protocol):
    """The say that the host product has before a message is stored."""

    async def ask(self, questions: Sequence[Question]) -> list[Verdict]:
        """One verdict a question, in their order. Raises UNAVAILABLE when there is no answer in
        time or none that can be used."""
        ...
