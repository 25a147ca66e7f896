"""How long to wait before the next connection. Pure: chance comes in as a number in [0, 1).

Three sources, by what happened last:

    storm window   the first end of a stream that had worked: everybody else on that pod lost
                   theirs at the same moment, so the server says over how long to spread
    lost ladder    the stream was attached again and ended again before anything good came on it
    failed ladder  no stream was attached at all

Both ladders draw with full jitter, anywhere between 0 and the rung (Brooker, "Exponential
Backoff And Jitter", 2015): half of the waiting for the same load as a fixed step.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReconnectPolicy:
    """The figures of reconnecting, all in seconds. The last rung of a ladder repeats."""

    lost_rungs: tuple[float, ...] = (4, 8, 16, 30)
    """Upper bounds after a stream that was attached and brought nothing. Default 4 to 30: a pod
    that restarts is back within that."""
    failed_rungs: tuple[float, ...] = (2, 2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 120)
    """Upper bounds after a connection that failed. Each stands twice, so that a second endpoint
    is tried as early as the first. Default up to 120: a phone without network saves power."""
    storm_window_seconds: float = 0.5
    """The storm window until a Welcome names one. Default 0.5: nobody notices half a second."""
    cap_seconds: float | None = None
    """No wait drawn here is longer. Default None. Tests set it low. A retry_after of the server
    is honoured in full all the same."""

    def __post_init__(self) -> None:
        if not self.lost_rungs or not self.failed_rungs:
            raise ValueError("a ladder needs a rung")
        if min(*self.lost_rungs, *self.failed_rungs, self.storm_window_seconds) < 0:
            raise ValueError("a wait cannot be negative")


@dataclass(frozen=True)
class BackoffStatistics:
    """How often in a row it went wrong."""

    lost: int
    failed: int


class Backoff:
    """Counts what went wrong since the last good frame and draws the waits.

    A good frame is any frame after the Welcome: a pod that welcomes and then dies must not
    be asked again at once for ever.
    """

    def __init__(self, policy: ReconnectPolicy | None = None) -> None:
        self._policy = policy or ReconnectPolicy()
        self._storm_window = self._policy.storm_window_seconds
        self._lost = 0
        self._failed = 0

    def set_storm_window(self, seconds: float) -> None:
        """What the server says, in its Welcome or a Pong."""
        if seconds < 0:
            raise ValueError("a wait cannot be negative")
        self._storm_window = seconds

    def attached(self) -> None:
        """A Welcome came: connecting works."""
        self._failed = 0

    def good_frame(self) -> None:
        """Something came after the Welcome: the stream works."""
        self._lost = 0
        self._failed = 0

    def after_loss(self, chance: float, retry_after_seconds: float = 0.0) -> float:
        """Seconds to wait after an attached stream has ended, whoever ended it.

        `retry_after_seconds` is what a Close asked for; the draw comes on top of it, since a
        closing pod says the same to everybody.
        """
        rung = self._storm_window
        if self._lost:
            rung = self._rung(self._policy.lost_rungs, self._lost - 1)
        self._lost += 1
        return self._draw(rung, chance, retry_after_seconds)

    def after_failure(self, chance: float, retry_after_seconds: float = 0.0) -> float:
        """Seconds to wait after an attempt that brought no Welcome."""
        rung = self._rung(self._policy.failed_rungs, self._failed)
        self._failed += 1
        return self._draw(rung, chance, retry_after_seconds)

    def statistics(self) -> BackoffStatistics:
        """The figures at this moment."""
        return BackoffStatistics(lost=self._lost, failed=self._failed)

    @staticmethod
    def _rung(rungs: tuple[float, ...], step: int) -> float:
        return rungs[min(step, len(rungs) - 1)]

    def _draw(self, rung: float, chance: float, retry_after_seconds: float) -> float:
        if not 0 <= chance < 1:
            raise ValueError("chance must lie in [0, 1)")
        cap = self._policy.cap_seconds
        wait = rung * chance
        return retry_after_seconds + (wait if cap is None else min(wait, cap))
