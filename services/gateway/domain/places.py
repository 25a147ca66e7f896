"""How many may do something at once: in all, and each user of them. Pure, and not for threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from whimbrel.core.errors import ErrorCode, WhimbrelError

_RETRY_SECONDS: Final = 1.0


class Places:
    """A user who takes several leaves places to others: one that is slow on purpose holds up
    nobody else."""

    def __init__(self, what: str, *, total: int, each: int) -> None:
        """`what`: said to who has to wait."""
        self._what = what
        self._total = total
        self._each = each
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many are taken now."""
        return self._taken.total()

    def check(self, user_id: str) -> None:
        """Raises OVERLOADED when there is none for this user."""
        if self._taken[user_id] >= self._each or self.taken >= self._total:
            raise WhimbrelError(
                ErrorCode.OVERLOADED,
                f"too many {self._what} at once",
                retry_after_seconds=_RETRY_SECONDS,
            )

    @contextmanager
    def place(self, user_id: str) -> Iterator[None]:
        """Hold one while the block runs. Raises OVERLOADED."""
        self.check(user_id)
        self._taken[user_id] += 1
        try:
            yield
        finally:
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]
