"""Who leads: the lease is held, and a term is taken that no pod has seen.

A leader that could not renew stops to lead when its lease has run out by its own clock, whatever
the platform thinks. That is not enough (it may be paused at the wrong moment), so every order
carries the term, and pods refuse a lower one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, NamedTuple

from services.drain.ports import Leadership, Tenure
from whimbrel.core.errors import WhimbrelError, unavailable
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_RETRY_SECONDS: Final = 1.0


class LeaderStatistics(NamedTuple):
    """The figures at this moment."""

    leads: bool
    term: int
    holder: str
    failures: int
    """In a row, until now."""
    failures_in_all: int


class Leader:
    """This controller's claim. `run` is its task."""

    def __init__(
        self,
        leadership: Leadership,
        seen_term: Callable[[], int],
        on_change: Callable[[], None],
        *,
        clock: Callable[[], float],
        lease_seconds: float,
        renew_seconds: float,
    ) -> None:
        """`seen_term`: the highest term that a pod reports. `on_change`: somebody else leads, or
        this controller leads anew."""
        self._leadership = leadership
        self._seen_term = seen_term
        self._on_change = on_change
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._renew_seconds = renew_seconds
        self._tenure = Tenure(term=0, holder="", is_own=False)
        self._held_until = 0.0
        self._resigned = asyncio.Event()
        self._failures = self._failures_in_all = 0

    @property
    def leads(self) -> bool:
        """Whether this controller may order now."""
        return (
            self._tenure.is_own
            and not self._resigned.is_set()
            and self._clock() < self._held_until
            and self._tenure.term >= self._seen_term()
        )

    @property
    def term(self) -> int:
        """Of the tenure that is known, whosever it is."""
        return self._tenure.term

    @property
    def holder(self) -> str:
        """Who leads, as far as is known; empty when nobody does."""
        return self._tenure.holder

    def check_leads(self) -> None:
        """Raises UNAVAILABLE, naming the leader, unless it is this controller."""
        if self.leads:
            return
        holder = self._tenure.holder
        if self._tenure.is_own or not holder:
            raise unavailable("no drain controller leads at this moment; try again")
        raise unavailable(f"this drain controller does not lead; {holder} does")

    async def run(self) -> None:
        """Hold the lease until cancelled, or until it was given back."""
        while not self._resigned.is_set():
            wait = await self._hold()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._resigned.wait()

    async def resign(self) -> None:
        """This controller stops: let another one lead at once, and never take the lease again."""
        self._resigned.set()
        try:
            async with asyncio.timeout(self._lease_seconds / 3):
                await self._leadership.resign()
        except (WhimbrelError, TimeoutError):
            _log.warning("resign_failed")  # the lease runs out by itself

    def statistics(self) -> LeaderStatistics:
        """The figures at this moment."""
        return LeaderStatistics(
            self.leads, self.term, self.holder, self._failures, self._failures_in_all
        )

    async def _hold(self) -> float:
        """Once; seconds until the next time."""
        asked_at = self._clock()
        seen = self._seen_term()
        try:
            async with asyncio.timeout(self._lease_seconds / 2):
                if self._tenure.is_own and self._tenure.term < seen:
                    # The lease says that it is ours, a pod has heard of a higher term: the object
                    # was lost in between. Only a new tenure has a higher one.
                    await self._leadership.resign()
                tenure = await self._leadership.hold(seen)
        except (WhimbrelError, TimeoutError) as error:
            if self._failures == 0:
                _log.warning("lease_not_held", reason=str(error) or "timeout")
            self._failures += 1
            self._failures_in_all += 1
            return _RETRY_SECONDS
        self._failures = 0
        if (
            self._resigned.is_set()
        ):  # in the middle of this call: what it has taken goes back as well
            await self.resign()
            return self._renew_seconds
        before, self._tenure = self._tenure, tenure
        self._held_until = asked_at + self._lease_seconds if tenure.is_own else 0.0
        if before != tenure:
            _log.info("leader_changed", leader=tenure.holder, term=tenure.term, own=tenure.is_own)
            self._on_change()
        return self._renew_seconds
