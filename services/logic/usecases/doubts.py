"""Users for whom something was not indexed, because Redis was away and too much waited.

An index that was lost says so by itself; one that only missed something does not. So whoever
gives an entry up notes its user here, and as soon as Redis answers the user's indexes are marked
as incomplete: the next look at them rebuilds them from MongoDB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)

MAX_USERS = 100_000
"""Remembered at a time: 10 MB. Beyond it an operator rebuilds (`whimbrel unread --rebuild`)."""
SETTLE_SECONDS = 1.0
USERS_PER_CALL = 1000


class Doubts:
    """One per process; `run` is its task."""

    def __init__(self, doubt: Sequence[Callable[[Sequence[str]], Awaitable[None]]]) -> None:
        """`doubt` are the indexes' own: each marks its part of these users as incomplete."""
        self._doubt = doubt
        self._users: set[str] = set()
        self.forgotten = 0
        """Users given up because too many were in doubt."""

    def note(self, users: Iterable[str]) -> None:
        """Something of these users was not indexed."""
        for user in users:
            if len(self._users) >= MAX_USERS and user not in self._users:
                self.forgotten += 1
                log.error("doubt_forgotten", user=user)
            else:
                self._users.add(user)

    async def run(self) -> None:
        """Settle what was noted, until cancelled."""
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            await self.settle()

    async def settle(self) -> None:
        """Mark the users; one whose mark Redis did not take stays noted."""
        while self._users:
            users = sorted(self._users)[:USERS_PER_CALL]
            try:
                for doubt in self._doubt:
                    await doubt(users)
            except WhimbrelError as error:
                log.warning("doubts_not_settled", users=len(self._users), detail=error.detail)
                return
            self._users.difference_update(users)
            log.info("indexes_doubted", users=len(users))
