"""When to stop asking somebody who does not answer. Pure: monotonic seconds come in as `now`.

    closed    everybody asks; so many failures one after the other open it
    open      nobody asks until its time is over
    probing   one asks; an answer closes it, a failure opens it again, for twice as long up to a
              limit

(Nygard, "Release It!", 2007, calls it a circuit breaker.) A probe that is never heard of again,
because its asker died, is followed by another after the time for which it was open.
"""

from __future__ import annotations


class Breaker:
    """The state of one breaker. `may_ask`, then exactly one of `succeeded`, `failed` and `trip`."""

    def __init__(
        self, failures_to_open: int, open_seconds: float, longest_open_seconds: float | None = None
    ) -> None:
        """`longest_open_seconds`: None when it never opens for longer."""
        self._failures_to_open = failures_to_open
        self._first_open_seconds = open_seconds
        self._longest_open_seconds = longest_open_seconds or open_seconds
        self._next_open_seconds = open_seconds
        self._failures = 0
        self._open_until: float | None = None
        self._is_probing = False
        self.times_opened = 0

    @property
    def is_open(self) -> bool:
        """True while at most a probe is let through."""
        return self._open_until is not None

    def room(self, now: float) -> int | None:
        """How many may ask now: None for any number, 1 for a probe."""
        if self._open_until is None:
            return None
        return 0 if now < self._open_until else 1

    def may_ask(self, now: float) -> bool:
        """Whether to ask now. True while it is open makes the caller the probe."""
        room = self.room(now)
        if room:
            self._is_probing = True
            self._open_until = now + self._next_open_seconds
        return room != 0

    def succeeded(self) -> None:
        """There was an answer: everybody asks again."""
        self._failures = 0
        self._open_until = None
        self._is_probing = False
        self._next_open_seconds = self._first_open_seconds

    def failed(self, now: float) -> None:
        """There was none in time, or not one that can be used."""
        self._failures += 1
        if self._failures >= self._failures_to_open or self._is_probing:
            self.trip(now)

    def trip(self, now: float, for_seconds: float | None = None) -> None:
        """Open, for as long as is asked for, else longer each time; never beyond the limit.
        Answers to what was under way when it opened change nothing."""
        if self.is_open and not self._is_probing:
            return
        self.times_opened += 1
        self._failures = 0
        self._is_probing = False
        wait = self._next_open_seconds if for_seconds is None else for_seconds
        self._open_until = now + min(wait, self._longest_open_seconds)
        self._next_open_seconds = min(2 * self._next_open_seconds, self._longest_open_seconds)
