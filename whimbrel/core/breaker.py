"""When to stop asking somebody who does not answer. Pure: monotonic seconds come in as `now`.

    closed    everybody asks; so many failures one after the other open it
    open      nobody asks until `open_seconds` have passed
    probing   one asks; an answer closes it, a failure opens it again

(Nygard, "Release It!", 2007, calls it a circuit breaker.) A probe whose asker died is not waited
for: the next one is let through `open_seconds` later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CLOSED: Final = float("-inf")


@dataclass(slots=True)
class Breaker:
    """The state of one breaker. `may_ask`, then exactly one of `succeeded` and `failed`."""

    failures_to_open: int
    open_seconds: float
    _failures: int = 0
    _shut_until: float = CLOSED
    """Nobody asks before this; CLOSED when everybody may."""

    @property
    def is_open(self) -> bool:
        """True while at most a probe is let through."""
        return self._shut_until != CLOSED

    def may_ask(self, now: float) -> bool:
        """Whether to ask now. True while it is open makes the caller the probe."""
        if not self.is_open:
            return True
        if now < self._shut_until:
            return False
        self._shut_until = now + self.open_seconds
        return True

    def succeeded(self) -> None:
        """There was an answer: everybody asks again."""
        self._failures = 0
        self._shut_until = CLOSED

    def failed(self, now: float) -> None:
        """There was none in time, or not one that can be used."""
        self._failures += 1
        if self._failures >= self.failures_to_open:
            self._shut_until = now + self.open_seconds
