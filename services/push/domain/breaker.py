"""Whether a provider is asked at all. Pure: `now` is monotonic seconds.

Closed: everything goes. After too many failures in a row, or one answer that says that nothing
will pass, it opens: nothing goes. When its time is over one notification goes, and decides.
Source: Nygard, "Release It!" (2007), circuit breaker.
"""

from __future__ import annotations

from typing import Final

FAILURES_IN_A_ROW: Final = 5
FIRST_OPEN_SECONDS: Final = 2.0
LAST_OPEN_SECONDS: Final = 60.0


class Breaker:
    """One per provider and pod."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until: float | None = None
        self._next_open_seconds = FIRST_OPEN_SECONDS
        self._is_probing = False
        self.times_opened = 0

    def room(self, now: float) -> int | None:
        """How many notifications may go now; None: no bound."""
        if self._open_until is None:
            return None
        if self._is_probing or now < self._open_until:
            return 0
        return 1

    @property
    def is_open(self) -> bool:
        """Whether it holds back anything."""
        return self._open_until is not None

    def sent(self, now: float) -> None:
        """A notification goes: if it is the one that decides, no other does."""
        if self._open_until is not None and now >= self._open_until:
            self._is_probing = True

    def passed(self) -> None:
        """The provider has answered as one that works."""
        self._failures = 0
        self._open_until = None
        self._is_probing = False
        self._next_open_seconds = FIRST_OPEN_SECONDS

    def failed(self, now: float) -> None:
        """No answer, or one that says that the provider suffers."""
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW or self._is_probing:
            self.trip(now)

    def trip(self, now: float, for_seconds: float | None = None) -> None:
        """Open, for as long as the provider asks, else longer each time. Answers to what was
        under way when it opened change nothing."""
        if self._open_until is not None and not self._is_probing:
            return
        self.times_opened += 1
        self._failures = 0
        self._is_probing = False
        wait = self._next_open_seconds if for_seconds is None else for_seconds
        self._open_until = now + min(wait, LAST_OPEN_SECONDS)
        self._next_open_seconds = min(2 * self._next_open_seconds, LAST_OPEN_SECONDS)
