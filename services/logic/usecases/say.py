"""What Logic says itself: the system messages about changes, through the ordinary pipeline.

They are committed, ordered and delivered as any message, so the promises hold for them too. Who
hears them is decided by whoever changed something, and no check is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.logic.domain.model import Answer, Draft, Outcome
from services.logic.usecases.patience import Clock, until_deadline
from services.logic.usecases.submit_messages import SubmitMessages
from whimbrel.core.errors import WhimbrelError

SYSTEM_USER = "system"
"""Who says what no user says; nobody can register under this name."""
SYSTEM_DEVICE = "system:"
"""No device of a client is called so: the name has a colon. The sender's devices all get it."""
SAY_SECONDS = 8.0


class Say:
    """Submits, and waits for the outcome."""

    def __init__(self, submit: SubmitMessages, *, clock: Clock) -> None:
        self._submit = submit
        self._clock = clock

    async def say(self, draft: Draft, participants: Sequence[str]) -> Answer:
        """Commit it for these participants; the sender has to be one of them.

        The same key once more gets the first answer again. Raises UNAVAILABLE with
        outcome_unknown when it was not committed within SAY_SECONDS, else what Rejected says.
        """
        deadline = self._clock() + SAY_SECONDS

        async def once() -> Answer:
            outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

            def answer(one: Outcome) -> None:
                if not outcome.done():  # whoever waited may have been cancelled
                    outcome.set_result(one)

            self._submit.submit(
                draft,
                epoch=0,
                resend=False,
                deadline=deadline,
                answer=answer,
                participants=tuple(participants),
            )
            known = await outcome
            if isinstance(known, WhimbrelError):
                raise known
            return known

        return await until_deadline(once, deadline=deadline, clock=self._clock)
