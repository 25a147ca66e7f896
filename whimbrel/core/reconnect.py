"""When to open the next stream: the waits of `backoff`, the network, and who is looking.

    ended ──▶ a moment, never before what the server asked for
    network down ──▶ no moment at all: no timer wakes a device that cannot connect
    network up, or another ──▶ now
    to the foreground ──▶ within the foreground's storm window: a person looks

Pure: `now` is monotonic seconds, chance comes in as a number in [0, 1).
"""

from __future__ import annotations

import math

from whimbrel.core.backoff import Backoff, BackoffStatistics, ReconnectPolicy


class Reconnect:
    """The next attempt of one client. At first it is due at once."""

    def __init__(
        self,
        policy: ReconnectPolicy | None = None,
        *,
        is_background: bool = False,
        is_up: bool = True,
    ) -> None:
        self._policy = policy or ReconnectPolicy()
        self.backoff = Backoff(self._policy)
        self.backoff.set_background(is_background)
        self._is_background = is_background
        self._is_up = is_up
        self._at = -math.inf
        self._not_before = -math.inf

    @property
    def is_up(self) -> bool:
        """False while the network is known to be down."""
        return self._is_up

    def next_attempt(self) -> float | None:
        """When to try; it may lie in the past. None while the network is down: do not wake."""
        return max(self._at, self._not_before) if self._is_up else None

    # --- how the last one ended ------------------------------------------------------

    def lost(self, now: float, chance: float) -> None:
        """An attached stream has ended without a word."""
        self._wait(now, self.backoff.after_loss(chance), 0.0)

    def closed(self, now: float, chance: float, retry_after_seconds: float) -> None:
        """An attached stream has ended by a Close that permits to return, or a Fin."""
        wait = self.backoff.after_close(chance, retry_after_seconds)
        self._wait(now, wait, retry_after_seconds)

    def redirected(self, now: float, chance: float, jitter_seconds: float) -> None:
        """The pod has named where to go on: a random part of what it asked for. Pods that send
        a client to and fro count as failures."""
        self._wait(now, self.backoff.after_redirect(chance, jitter_seconds), 0.0)

    def failed(self, now: float, chance: float, retry_after_seconds: float = 0.0) -> None:
        """An attempt has brought no Welcome."""
        wait = self.backoff.after_failure(chance, retry_after_seconds)
        self._wait(now, wait, retry_after_seconds)

    # --- what changes in between -----------------------------------------------------

    def set_network(self, is_up: bool, now: float, chance: float) -> None:
        """The network has gone, has come back, or is another one.

        The waits were for the old one: both ladders begin at their foot. What a server has
        asked for in a Close is kept.
        """
        self._is_up = is_up
        self.backoff.good_frame()
        spread = self._policy.spread_network_return
        self._at = now + (self.backoff.storm(chance) if spread else 0.0)

    def set_background(self, is_background: bool, now: float, chance: float) -> None:
        """The app has come or gone."""
        came = self._is_background and not is_background
        self._is_background = is_background
        self.backoff.set_background(is_background)
        if came:
            self._at = min(self._at, now + self.backoff.storm(chance))

    def statistics(self) -> BackoffStatistics:
        """How often in a row it went wrong."""
        return self.backoff.statistics()

    def _wait(self, now: float, seconds: float, retry_after_seconds: float) -> None:
        self._not_before = now + retry_after_seconds
        self._at = now + seconds
