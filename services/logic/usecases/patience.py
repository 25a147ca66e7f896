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
    passed raises UNAVAILABLE with outcome_unknown; other errors are raised at once. An attempt
    is never cut off: every operation of our stores has a deadline of its own (1 s for Redis, 5 s
    for MongoDB by default), and PyMongo calls that are cancelled may leave its locks taken.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await operation()
        except WhimbrelError as error:
            if error.code is not ErrorCode.UNAVAILABLE:
                raise
            if clock() + pause >= deadline:
                raise unavailable(error.detail, outcome_unknown=True) from error
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
