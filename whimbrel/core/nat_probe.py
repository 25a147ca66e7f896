"""How long a stream may be silent on one network before something between forgets it.

A NAT drops the state of a quiet connection after a time that it tells nobody. A device in the
background wants to ping as seldom as possible and yet before that. So it finds the time out, as
WeChat has published it for its own clients:

    MINIMUM ── a few answered pings ──▶ LENGTHENING ── failures, or the maximum ──▶ SETTLED
       ▲      at the shortest interval      │  ▲ one step longer after each answer    │  │
       │                                    └──┘                                      │  │
       └──────── several failures in a row: this network is another one now ──────────┘  │
                                    ▲ after a long time one more step is tried ──────────┘

A failure in LENGTHENING steps back to the longest interval that was answered, less a margin.
Only pings after a silence of the whole interval prove anything; `idle_seconds` says how long it
was. Pure: `now` is monotonic seconds.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final

_ROUNDING_SECONDS: Final = 0.001


class Phase(enum.Enum):
    """Where the search is."""

    MINIMUM = "minimum"
    LENGTHENING = "lengthening"
    SETTLED = "settled"


@dataclass(frozen=True)
class ProbePolicy:
    """The figures of the search. Its bounds are the server's, see `NatProbe`."""

    minimum_probes: int = 3
    """Answered pings at the shortest interval before a longer one is tried. Default 3: the
    network is known to be steady before a stream is risked."""
    step_seconds: float = 30.0
    """How much longer each try is. Default 30: from 60 s to 4.5 min in seven tries."""
    margin_seconds: float = 10.0
    """What is taken off the longest interval that was answered. Default 10: timers of NATs are
    coarse, and a phone's are late."""
    failures_to_step_back: int = 2
    """Failures in a row that end the lengthening. Default 2: one may be an accident."""
    failures_to_start_again: int = 3
    """Failures in a row at the settled interval after which the search begins anew. Default 3:
    it was good once, so it is believed longer."""
    retest_seconds: float = 7 * 24 * 3600.0
    """After this time at a settled interval a longer one is tried once more. Default 7 days: it
    costs a stream when nothing has changed. inf never tries."""

    def __post_init__(self) -> None:
        counts = (self.minimum_probes, self.failures_to_step_back, self.failures_to_start_again)
        if min(counts) < 1:
            raise ValueError("counts begin at 1")
        if self.step_seconds <= 0 or self.retest_seconds <= 0 or self.margin_seconds < 0:
            raise ValueError("times must be positive")


@dataclass(frozen=True)
class Learned:
    """What is worth remembering of a network, over reconnects and restarts."""

    interval_seconds: float
    """The interval that is in use when settled, else the longest that was answered so far."""
    is_settled: bool
    """A longer one has failed."""


class NatProbe:
    """The search on one network.

    Invariant: `interval_seconds` lies within the bounds; it grows by one step at a time, and
    only after an answer to a ping that came after a silence of the whole present interval.
    """

    def __init__(
        self,
        minimum_seconds: float,
        maximum_seconds: float,
        now: float,
        *,
        policy: ProbePolicy | None = None,
        learned: Learned | None = None,
    ) -> None:
        self._policy = policy or ProbePolicy()
        self._minimum = self._maximum = 0.0
        self._proven = 0.0
        self._retreat = 0.0
        self._successes = 0
        self._failures = 0
        self._retest_at = math.inf
        self._phase = Phase.MINIMUM
        self._interval = minimum_seconds
        if learned is not None:
            self._phase = Phase.SETTLED if learned.is_settled else Phase.LENGTHENING
            self._interval = learned.interval_seconds
            self._retreat = learned.interval_seconds
            if learned.is_settled:
                self._retest_at = now + self._policy.retest_seconds
            else:
                self._proven = learned.interval_seconds
                self._retreat -= self._policy.margin_seconds
                self._interval += self._policy.step_seconds
        self.set_bounds(minimum_seconds, maximum_seconds)

    @property
    def interval_seconds(self) -> float:
        """How long to be silent before the next ping."""
        return self._interval

    @property
    def phase(self) -> Phase:
        """Where the search is."""
        return self._phase

    @property
    def learned(self) -> Learned | None:
        """What to remember; None while nothing is known."""
        if self._phase is Phase.SETTLED and self._interval < self._maximum:
            return Learned(self._interval, is_settled=True)
        # Settled at the maximum only means that nothing longer was permitted.
        return Learned(self._proven, is_settled=False) if self._proven else None

    def set_bounds(self, minimum_seconds: float, maximum_seconds: float) -> None:
        """What the server permits from now on. ValueError when it makes no sense."""
        if not 0 < minimum_seconds <= maximum_seconds:
            raise ValueError("bounds must be positive and in order")
        was_capped = self._phase is Phase.SETTLED and self._interval == self._maximum
        self._minimum, self._maximum = minimum_seconds, maximum_seconds
        if was_capped and self._interval < maximum_seconds:
            self._phase = Phase.LENGTHENING
            self._interval += self._policy.step_seconds
        if self._phase is Phase.MINIMUM:
            self._interval = minimum_seconds
        self._interval = min(max(self._interval, minimum_seconds), maximum_seconds)

    def answered(self, idle_seconds: float, now: float) -> None:
        """A ping after so long a silence was answered."""
        if idle_seconds < self._interval - _ROUNDING_SECONDS:
            return
        self._failures = 0
        if self._phase is Phase.SETTLED:
            if now >= self._retest_at and self._interval < self._maximum:
                self._retest_at = math.inf
                self._phase = Phase.LENGTHENING
                self._lengthen()
            return
        self._successes += 1
        self._proven = max(self._proven, self._interval)
        self._retreat = max(self._retreat, self._interval - self._policy.margin_seconds)
        if self._phase is Phase.MINIMUM and self._successes < self._policy.minimum_probes:
            return
        if self._interval >= self._maximum:
            self._settle(self._maximum, now)
        else:
            self._phase = Phase.LENGTHENING
            self._lengthen()

    def failed(self, idle_seconds: float, now: float) -> None:
        """A ping after so long a silence was not answered, and the network is there.

        One that came much too late (the device was asleep) says nothing of this interval.
        """
        longest = self._interval + max(self._policy.margin_seconds, 1.0)
        if not self._interval - _ROUNDING_SECONDS <= idle_seconds <= longest:
            return
        self._failures += 1
        if self._phase is Phase.MINIMUM:
            self._successes = 0  # nothing shorter is permitted: stay, and be sure before leaving
        elif self._phase is Phase.LENGTHENING:
            if self._failures >= self._policy.failures_to_step_back:
                self._settle(self._retreat, now)
        elif self._failures >= self._policy.failures_to_start_again:
            self._start_again()

    def _lengthen(self) -> None:
        self._interval = min(self._interval + self._policy.step_seconds, self._maximum)

    def _settle(self, seconds: float, now: float) -> None:
        self._phase = Phase.SETTLED
        self._interval = min(max(seconds, self._minimum), self._maximum)
        self._failures = 0
        self._retest_at = now + self._policy.retest_seconds

    def _start_again(self) -> None:
        self._phase = Phase.MINIMUM
        self._interval = self._minimum
        self._proven = self._retreat = 0.0
        self._successes = self._failures = 0
        self._retest_at = math.inf
