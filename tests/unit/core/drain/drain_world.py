"""One pod in a seeded world: clients of every kind, leaders that come, go, lie and overlap.

The world is a driver of the two machines as Access is one, in simulated time, and holds what must
be true at every step.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable

import pytest

from whimbrel.core.drain.pod_drain import PodDrain
from whimbrel.core.drain.pod_drain_types import DrainPhase, StaleTermError
from whimbrel.core.drain.session_move import SessionMove

KINDS = ("good", "good", "good", "good", "silent", "defers", "cannot", "resumes")


class Session:
    """A session with the temper of its client."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.move = SessionMove()
        self.answers_at = math.inf
        self.switches_at = math.inf


class World:
    """A pod, its sessions, and whoever orders it about."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.drain = PodDrain()
        self.now = self.dice.uniform(0.0, 1000.0)
        self.sessions = [Session(self.dice.choice(KINDS)) for _ in range(self.dice.randint(0, 40))]
        self.total = len(self.sessions)
        self.gone = self.moved = self.forced = 0
        self.asked: list[float] = []
        self.rates: list[tuple[float, float]] = [(self.now, 0.0)]
        self.own_rate = self.dice.choice([0.0, 0.5, 3.0, 20.0])
        self.drain.set_own_rate(self.own_rate, self.now)
        self.term = 1
        self.plans = 0

    # --- leaders ---------------------------------------------------------------------

    def leaders(self) -> None:
        """Something that a leader, or somebody who takes himself for one, does."""
        kind = self.dice.choice(
            ["drain", "drain", "drain", "shed", "rest", "new leader", "old leader", "silence"]
        )
        if kind == "new leader":
            self.term += self.dice.randint(1, 5)
        elif kind == "old leader" and self.drain.term > 0:
            self.stale()
        elif kind == "drain":
            self.order_drain()
        elif kind == "shed":
            self.plans += self.dice.random() < 0.3
            count, rate = self.dice.randint(0, 20), self.dice.choice([1.0, 5.0, 30.0])
            self.drain.order_shed(self.term, f"shed-{self.plans}", count, rate, self.now)
            if not self.drain.is_stopping:
                assert self.drain.phase is DrainPhase.ACTIVE
                self.abort_moves()
        elif kind == "rest":
            self.rest()

    def order_drain(self) -> None:
        self.plans += self.dice.random() < 0.2
        rate = self.dice.choice([0.0, 1.0, 10.0, 60.0])
        seconds = self.dice.choice([0.0, 3.0, 20.0, 60.0])
        self.drain.order_drain(self.term, f"plan-{self.plans}", rate, seconds, self.now)
        assert self.drain.is_cordoned, "no order is lost"
        assert self.drain.plan_id == f"plan-{self.plans}"
        assert self.drain.deadline <= self.now + seconds

    def stale(self) -> None:
        before = self.drain.statistics()
        lower = self.dice.randint(0, self.drain.term - 1)
        orders: list[Callable[[], None]] = [
            lambda: self.drain.order_rest(lower, self.now),
            lambda: self.drain.order_drain(lower, "stale", 100.0, 1.0, self.now),
            lambda: self.drain.order_shed(lower, "stale", 100, 100.0, self.now),
        ]
        with pytest.raises(StaleTermError):
            self.dice.choice(orders)()
        assert self.drain.statistics() == before, "what is refused changes nothing"

    def rest(self) -> None:
        was_stopping = self.drain.is_stopping
        phase = self.drain.phase
        self.drain.order_rest(self.term, self.now)
        if was_stopping:
            assert self.drain.phase is phase, "a pod that stops goes on"
        else:
            assert self.drain.phase is DrainPhase.ACTIVE
            assert self.drain.plan_id == ""
            self.abort_moves()

    def abort_moves(self) -> None:
        for session in self.sessions:
            session.move.abort()

    # --- the pod ---------------------------------------------------------------------

    def act(self) -> None:
        """What Access does at each wake-up."""
        drain = self.drain
        drain.tick(len(self.sessions), self.unasked(), self.now)
        rate = drain.statistics().rate_per_second
        if rate != self.rates[-1][1]:
            self.rates.append((self.now, rate))
        last_call = drain.re_advise_due(self.now)
        plan = drain.plan_id
        askable = [
            session
            for session in self.sessions
            if session.move.is_askable(plan, self.now, is_last_call=last_call)
        ]
        asked = askable[: drain.may_advise(self.now)]
        for session in asked:
            session.move.advise(plan, ("target",), self.now)
            session.answers_at = self.now + self.dice.uniform(0.0, 2.0)
        self.asked += [self.now] * len(asked)
        drain.advised(len(asked), self.now)
        for session in self.sessions[: drain.may_force(self.now)]:
            session.move.force()
            session.move.end()
            drain.forced()
            self.forced += 1
            self.sessions.remove(session)
        drain.tick(len(self.sessions), self.unasked(), self.now)

    def unasked(self) -> int:
        return sum(session.move.plan_id != self.drain.plan_id for session in self.sessions)

    def clients(self) -> None:
        """Those whose time has come answer, move, or just leave."""
        for session in list(self.sessions):
            if self.now >= session.answers_at:
                session.answers_at = math.inf
                self.answer(session)
            if self.now >= session.switches_at:
                session.switches_at = math.inf
                session.move.rose()
                if session.kind == "resumes":
                    session.kind = "good"
                    session.move.resume()
                    self.drain.failed()
                    continue
                self.drain.moved()
                self.moved += 1
                session.move.end()
                self.sessions.remove(session)
            elif self.dice.random() < 0.003:
                session.move.end()
                self.gone += 1
                self.sessions.remove(session)

    def answer(self, session: Session) -> None:
        if session.kind in ("good", "resumes"):
            session.move.go()
            session.switches_at = self.now + self.dice.uniform(0.0, 1.0)
        elif session.kind == "defers":
            session.move.defer(self.dice.uniform(0.0, 90.0), self.now)
            self.drain.deferred()
        elif session.kind == "cannot":
            session.move.cannot()
            self.drain.failed()

    # --- time ------------------------------------------------------------------------

    def step(self) -> None:
        """To the next moment at which something may happen."""
        wake = self.drain.next_deadline(self.now)
        longest = self.dice.choice([0.01, 0.3, 1.0, 1.0, 4.0])
        self.now = min(self.now + longest, max(wake if wake is not None else math.inf, self.now))
        if wake is not None and self.now >= wake:
            self.now = math.nextafter(self.now, math.inf)
        self.clients()
        self.act()
        self.check()

    def run_out(self) -> None:
        """No more orders: whatever was begun ends by its deadline."""
        deadline = self.drain.deadline
        for _ in range(20_000):
            if not self.drain.is_cordoned or self.drain.phase is DrainPhase.EMPTY:
                break
            assert self.now < deadline + 5.0, "a drain ends by its deadline"
            self.step()
        else:
            raise AssertionError("the drain goes round and round")

    def check(self) -> None:
        stats = self.drain.statistics()
        assert stats.term <= self.term, "terms come from leaders"
        assert self.total == len(self.sessions) + self.moved + self.forced + self.gone
        if self.drain.is_cordoned:
            assert (stats.phase is DrainPhase.EMPTY) <= (not self.sessions)
            assert self.now < self.drain.deadline or not self.sessions, "it ends by its deadline"
        else:
            assert self.drain.may_force(self.now) == 0, "nobody is thrown out of an active pod"

    def check_pace(self) -> None:
        """In no second were more asked than 1.2 times the highest rate in it, and one."""
        for index, first in enumerate(self.asked):
            asked = bisect_left(self.asked, first + 1.0) - index
            held = [
                rate
                for position, (since, rate) in enumerate(self.rates)
                if since < first + 1.0
                and (position + 1 == len(self.rates) or self.rates[position + 1][0] >= first)
            ]
            assert asked <= 1.2 * max(held) + 2, (asked, held)
