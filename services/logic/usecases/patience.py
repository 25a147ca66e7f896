"""Trying again until a deadline: what every write of Logic does when a store does not answer.

A write whose outcome is unknown is sent again as it was (every write of our ports permits it),
so nothing here needs to know what the write does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable

T = TypeVar("T")
Clock = Callable[[], float]

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5


async def until_deadline(
    operation: Callable[[], Awaitable[T]], *, deadline: float, clock: Clock
) -> T:
    """The operation's result; it is repeated while it raises UNAVAILABLE.

    Each pause is twice the last, at most half a second. When `deadline` (monotonic seconds) has
    passed, or falls in the middle of an attempt, raises UNAVAILABLE with outcome_unknown. Other
    errors are raised at once.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            async with asyncio.timeout(max(0.0, deadline - clock())):
                return await operation()
        except TimeoutError as error:
            raise unavailable("a store did not answer in time", outcome_unknown=True) from error
        except WhimbrelError as error:
            if error.code is not ErrorCode.UNAVAILABLE:
                raise
            if clock() + pause >= deadline:
                raise unavailable(error.detail, outcome_unknown=True) from error
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
