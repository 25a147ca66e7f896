"""How long to wait before the next connection. Pure: chance comes in as a number in [0, 1).

Four sources, by what happened last:

    storm window   the first end of a stream without Bye, Migrate, Fin or Close: everybody else on
                   that pod lost theirs at the same moment, so the server has said over how long
                   to spread, for clients that a person looks at and for those in the background
    close window   the first end by a Close or a Fin: the server has had its say, this only keeps
                   those apart who were told the same
    lost ladder    the stream was attached again and ended again before anything good came on it
    failed ladder  no stream was attached at all

All draw with full jitter, anywhere between 0 and the rung (Brooker, "Exponential
Backoff And Jitter", 2015): half of the waiting for the same load as a fixed step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


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
    close_window_seconds: float = 0.5
    """After a Close or a Fin, on top of what it asks for. Default 0.5: as above."""
    spread_network_return: bool = False
    """Whether the attempt after a network has come back is spread over the storm window too.
    Default False: at once, as one device's network is its own affair. True for a crowd behind
    one line (a building, an aeroplane)."""
    cap_seconds: float | None = None
    """No wait drawn here is longer. Default None. Tests set it low. A retry_after of the server
    is honoured in full all the same."""

    def __post_init__(self) -> None:
        if not self.lost_rungs or not self.failed_rungs:
            raise ValueError("a ladder needs a rung")
        windows = (self.storm_window_seconds, self.close_window_seconds, self.cap_seconds or 0)
        if min(*self.lost_rungs, *self.failed_rungs, *windows) < 0:
            raise ValueError("a wait cannot be negative")


_FREE_REDIRECTS: Final = 3


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
        self._foreground_window = self._policy.storm_window_seconds
        self._background_window = self._policy.storm_window_seconds
        self._is_background = False
        self._lost = 0
        self._failed = 0
        self._redirects = 0

    def set_storm_window(self, foreground_seconds: float, background_seconds: float) -> None:
        """What the server says, in its Welcome or a Pong."""
        if foreground_seconds < 0 or background_seconds < 0:
            raise ValueError("a wait cannot be negative")
        self._foreground_window = foreground_seconds
        self._background_window = background_seconds

    def set_background(self, is_background: bool) -> None:
        """Which of the two windows holds for what ends from now on."""
        self._is_background = is_background

    def attached(self) -> None:
        """A Welcome came: connecting works."""
        self._failed = self._redirects = 0

    def good_frame(self) -> None:
        """Something came after the Welcome: the stream works."""
        self._lost = 0
        self._failed = 0

    def storm(self, chance: float) -> float:
        """Seconds from the storm window of this app state; counts nothing."""
        window = self._background_window if self._is_background else self._foreground_window
        return self._draw(window, chance, 0.0)

    def after_loss(self, chance: float) -> float:
        """Seconds to wait after an attached stream has ended without a word."""
        if not self._lost:
            self._lost += 1
            return self.storm(chance)
        return self._climb(chance, 0.0)

    def after_close(self, chance: float, retry_after_seconds: float = 0.0) -> float:
        """Seconds to wait after a Close or a Fin on an attached stream.

        `retry_after_seconds` is what it asked for; the draw comes on top, since a closing pod
        may say the same to many.
        """
        if not self._lost:
            self._lost += 1
            return self._draw(self._policy.close_window_seconds, chance, retry_after_seconds)
        return self._climb(chance, retry_after_seconds)

    def after_redirect(self, chance: float, jitter_seconds: float) -> float:
        """Seconds to wait after an end that named where to go on; after three of them without
        a Welcome, as after a failure."""
        self._redirects += 1
        if self._redirects > _FREE_REDIRECTS:
            return self.after_failure(chance)
        return self._draw(jitter_seconds, chance, 0.0)

    def after_failure(self, chance: float, retry_after_seconds: float = 0.0) -> float:
        """Seconds to wait after an attempt that brought no Welcome."""
        rung = self._rung(self._policy.failed_rungs, self._failed)
        self._failed += 1
        return self._draw(rung, chance, retry_after_seconds)

    def statistics(self) -> BackoffStatistics:
        """The figures at this moment."""
        return BackoffStatistics(lost=self._lost, failed=self._failed)

    def _climb(self, chance: float, retry_after_seconds: float) -> float:
        rung = self._rung(self._policy.lost_rungs, self._lost - 1)
        self._lost += 1
        return self._draw(rung, chance, retry_after_seconds)

    @staticmethod
    def _rung(rungs: tuple[float, ...], step: int) -> float:
        return rungs[min(step, len(rungs) - 1)]

    def _draw(self, rung: float, chance: float, retry_after_seconds: float) -> float:
        if not 0 <= chance < 1:
            raise ValueError("chance must lie in [0, 1)")
        cap = self._policy.cap_seconds
        wait = rung * chance
        return retry_after_seconds + (wait if cap is None else min(wait, cap))
