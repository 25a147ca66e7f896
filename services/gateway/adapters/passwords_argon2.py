"""Passwords with argon2id. One costs a tenth of a second and 64 MiB on purpose.

So a bounded number is worked on at a time, in threads (argon2 lets go of the interpreter), and
a bounded number waits. A password or a hash is never logged and never part of an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.gateway.settings import PasswordSettings
from whimbrel.core.errors import ErrorCode, WhimbrelError

T = TypeVar("T")

_BUSY_RETRY_SECONDS: Final = 1.0


class Argon2Passwords:
    """Hashes and verifies. `close` when it is not needed any more."""

    def __init__(self, settings: PasswordSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.passes, memory_cost=settings.memory_kib, parallelism=1
        )
        self._threads = ThreadPoolExecutor(settings.at_once, thread_name_prefix="argon2")
        self._left = settings.at_once + settings.max_waiting
        # What an unknown user's password is compared with, so that both take as long.
        self._nobody = self._hasher.hash("nobody")

    async def hash(self, password: str) -> str:
        """What to store. Raises OVERLOADED when too many wait."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one that was stored; False, after as long, when there is
        none. Raises OVERLOADED when too many wait."""
        compared = self._nobody if stored is None else stored
        matches = await self._in_thread(lambda: self._matches(compared, password))
        return matches and stored is not None

    def close(self) -> None:
        """Take no more work; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._left <= 0:
            raise WhimbrelError(
                ErrorCode.OVERLOADED,
                "too many passwords wait to be checked",
                retry_after_seconds=_BUSY_RETRY_SECONDS,
            )
        self._left -= 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, work)
        # The place is free when the thread is, also when nobody waits for it any more.
        future.add_done_callback(self._give_back)
        return await asyncio.shield(future)

    def _give_back(self, _: object) -> None:
        self._left += 1
