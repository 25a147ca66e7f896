"""A host product that says what a test wants, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.logic.domain.verdicts import ALLOWED, Question, Verdict
from whimbrel.core.errors import unavailable
from whimbrel.testing.memory_stores.faults import Faults


class MemoryHostOpinion:
    """The port HostOpinion. Operation for `faults`: ask."""

    def __init__(self, *, timeout_seconds: float = 0.3) -> None:
        self.faults = Faults()
        self.verdicts: dict[bytes, Verdict | None] = {}
        """By body; everything else is allowed."""
        self.seconds = 0.0
        """How long it takes to answer; one that takes longer than the timeout does not."""
        self.asked: list[list[bytes]] = []
        self._timeout_seconds = timeout_seconds

    async def ask(self, questions: Sequence[Question]) -> list[Verdict | None]:
        async with self.faults.around("ask"):
            self.asked.append([one.body for one in questions])
            verdicts = [self.verdicts.get(one.body, ALLOWED) for one in questions]
            await asyncio.sleep(min(self.seconds, self._timeout_seconds))
            if self.seconds >= self._timeout_seconds:
                raise unavailable("the webhook did not answer in time")
            return verdicts
