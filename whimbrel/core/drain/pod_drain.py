"""A pod's own drain: what it may ask of whom, when, and when it is over.

    ACTIVE ─▶ CORDONED ─▶ DRAINING ─▶ STRAGGLERS ─▶ EMPTY ─▶ RELEASED
       ▲         │            │            │          │
       └─────────┴── abort ───┴────────────┴──────────┘

    CORDONED    for the settle time
    DRAINING    sessions are asked, at the granted rate or at the own share
    STRAGGLERS  everybody was asked, or four fifths of the time are over; they are asked again at
                half and four fifths of the deadline, and ended, evenly, in the last tenth
    EMPTY       no session; one that slips in takes it back to STRAGGLERS

It begins by an order of a leader, or by `stop` (SIGTERM, the preStop hook), which no order ends.
A shed is the small form: some sessions are asked in ACTIVE. An order repeats every second and
says the whole of what is wanted. A granted rate runs out (rule 22): a drain goes on at the pod's
own share, a shed pauses. Orders of a lower term raise and change nothing.

Pure: `now` is monotonic seconds. The driver says what it did (`advised`, `moved`, …), calls `tick`
at `next_deadline` and when the number of sessions has changed, and acts on `may_advise`,
`re_advise_due` and `may_force`.
"""

from __future__ import annotations

import math
from typing import Final

from whimbrel.core.drain.drain_counts import DrainCounts
from whimbrel.core.drain.pod_drain_types import DrainPhase, StaleTermError
from whimbrel.core.drain.pod_drain_view import PodDrainView

_ASKING: Final = (DrainPhase.DRAINING, DrainPhase.STRAGGLERS)
_BUSY: Final = (DrainPhase.CORDONED, DrainPhase.DRAINING, DrainPhase.STRAGGLERS)


class PodDrain(PodDrainView):
    """One pod's machine, for the life of the process."""

    # --- orders ----------------------------------------------------------------------

    def order_drain(
        self,
        term: int,
        plan_id: str,
        rate_per_second: float,
        deadline_seconds: float,
        now: float,
        cause: str = "order",
    ) -> None:
        """Be empty within so long. A drain that is under way takes the plan's name, its rate and
        its deadline over, and goes on where it is. A rate of 0: wait, there is no place."""
        self._check_term(term)
        if self._phase is DrainPhase.RELEASED:
            return
        if self._phase is DrainPhase.ACTIVE:
            self._begin(cause, now)
        self._plan_id = plan_id
        self._clock.ordered_deadline = now + max(0.0, deadline_seconds)
        self._rate.grant(rate_per_second, now)

    def order_shed(
        self, term: int, plan_id: str, count: int, rate_per_second: float, now: float
    ) -> None:
        """Give `count` sessions away in all since this plan began, and stay. A drain that an order
        began is aborted; one that was begun by `stop` goes on."""
        self._check_term(term)
        if self._stopping or self._phase is DrainPhase.RELEASED:
            return
        if self._phase is not DrainPhase.ACTIVE or self._plan_id != plan_id:
            self._abort(now)
            self._plan_id = plan_id
            self._counts = DrainCounts()
        self._shed = count
        self._counts.planned = count
        self._rate.grant(rate_per_second, now)

    def order_rest(self, term: int, now: float) -> None:
        """Nothing is wanted. What `stop` began goes on, at the own share."""
        self._check_term(term)
        if self._phase is DrainPhase.RELEASED:
            return
        if self._stopping:
            self._rate.withdraw_grant(now, is_draining=True)
            self._clock.ordered_deadline = math.inf
        elif self._plan_id:
            self._abort(now)

    def stop(self, cause: str, plan_id: str, deadline_seconds: float, now: float) -> None:
        """The process shall end: be empty within so long, whatever the controller says. Of two
        calls the nearer deadline holds. `plan_id` ("self-…") is used if there is no plan yet."""
        if self._phase is DrainPhase.RELEASED:
            return
        if self._phase is DrainPhase.ACTIVE:
            self._abort(now)  # a shed
            self._begin(cause, now)
            self._plan_id = plan_id
        self._stopping = True
        self._cause = cause
        clock = self._clock
        clock.stop_deadline = min(clock.stop_deadline, now + max(0.0, deadline_seconds))

    def set_own_rate(self, rate_per_second: float, now: float) -> None:
        """The pod's own share of the targets' budgets (`pacing.own_share`), for when nobody has
        granted a rate or the grant has run out."""
        self._rate.set_own(rate_per_second, now, is_draining=self.is_cordoned)

    # --- what happens ----------------------------------------------------------------

    def tick(self, sessions: int, unasked: int, now: float) -> None:
        """So many sessions are held, `unasked` of which have not been asked under this plan."""
        self._sessions, self._unasked = sessions, unasked
        if self._rate.has_run_out(now):
            self._rate.withdraw_grant(now, is_draining=self.is_cordoned)
        if not self.is_cordoned or self._phase is DrainPhase.RELEASED:
            return
        counts = self._counts
        counts.planned = max(counts.planned, sessions + counts.moved + counts.forced)
        if self._phase is DrainPhase.CORDONED and now >= self._clock.settled_at:
            self._phase = DrainPhase.DRAINING
        if self._phase is DrainPhase.DRAINING and (unasked == 0 or now >= self._clock.last_call_at):
            self._phase = DrainPhase.STRAGGLERS
        if self._phase is DrainPhase.STRAGGLERS and sessions == 0:
            self._phase = DrainPhase.EMPTY
        elif self._phase is DrainPhase.EMPTY and sessions > 0:
            self._phase = DrainPhase.STRAGGLERS
        self._clock.see(sessions, self._counts.forced, now)

    def advised(self, count: int, now: float) -> None:
        """So many were asked; at most what `may_advise` said."""
        self._rate.take(count, now)
        self._counts.advised += min(count, self._unasked)
        self._unasked -= min(count, self._unasked)
        self._counts.waiting += count

    def moved(self, count: int = 1) -> None:
        """So many are attached elsewhere."""
        self._counts.moved += count
        self._counts.answered(count)

    def deferred(self, count: int = 1) -> None:
        """So many want to be asked later."""
        self._counts.deferred += count
        self._counts.answered(count)

    def failed(self, count: int = 1) -> None:
        """So many could not move."""
        self._counts.failed += count
        self._counts.answered(count)

    def forced(self, count: int = 1) -> None:
        """So many were ended without having moved."""
        self._counts.forced += count
        self._counts.answered(count)

    def release(self) -> None:
        """Nothing holds the process any more. Raises ValueError unless it is EMPTY."""
        if self._phase is not DrainPhase.EMPTY:
            raise ValueError(f"a pod that is {self._phase.name} cannot be released")
        self._phase = DrainPhase.RELEASED

    # --- what to do ------------------------------------------------------------------

    def may_advise(self, now: float) -> int:
        """How many sessions may be asked to move now; say with `advised` how many were."""
        if self._phase in _ASKING:
            return self._rate.available(now)
        if self._shed is None or self._phase is not DrainPhase.ACTIVE:
            return 0
        wanted = self._shed - self._counts.moved - self._counts.waiting
        return max(0, min(wanted, self._rate.available(now)))

    def re_advise_due(self, now: float) -> bool:
        """True once at half and once at four fifths of the deadline: whoever was asked and is
        still here counts as not asked, and is asked again at the same pace."""
        return self._phase in _ASKING and self._clock.take_ask_again(now)

    def may_force(self, now: float) -> int:
        """How many streams to end now without waiting any longer; all at the deadline."""
        return self._clock.overdue(self._sessions, now) if self._phase in _BUSY else 0

    def next_deadline(self, now: float) -> float | None:
        """When to call `tick` if nothing happens before; None when time changes nothing."""
        granted_until = self._rate.granted_until
        moments = [granted_until] if granted_until > now else []
        if self._phase in _BUSY:
            moments.append(self._clock.next_mark(self._sessions, now))
            if self._phase is DrainPhase.CORDONED:
                moments.append(max(now, self._clock.settled_at))
        if (self._unasked and self._phase in _ASKING) or self._wants_more():
            token_at = self._rate.next_at(now)
            moments += [token_at] if token_at is not None else []
        return min((moment for moment in moments if moment < math.inf), default=None)

    # --- inside ----------------------------------------------------------------------

    def _check_term(self, term: int) -> None:
        if term < self._term:
            raise StaleTermError(term, self._term)
        self._term = term

    def _begin(self, cause: str, now: float) -> None:
        self._phase = DrainPhase.CORDONED
        self._cause = cause
        self._shed = None
        self._counts = DrainCounts()
        self._clock.begin(now)
        self._rate.begin(now)

    def _abort(self, now: float) -> None:
        self._phase = DrainPhase.ACTIVE
        self._plan_id = ""
        self._cause = ""
        self._shed = None
        self._counts = DrainCounts()
        self._clock.ordered_deadline = math.inf
        self._rate.stop(now)

    def _wants_more(self) -> bool:
        counts = self._counts
        return self._shed is not None and self._shed > counts.moved + counts.waiting
