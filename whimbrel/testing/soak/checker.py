"""Decides from a history alone which promises were broken. Pure; one pass, linear in its length.

It trusts nothing but the clients' own word (and, for the last look, the stores'). What each kind
of violation means is in docs/operations/soak.md. A delivery is owed to every device of every
member that was attached before the send was first tried, except to the device that sent it, as
soon as the sender was told "accepted" or any device was given the message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from whimbrel.testing.soak import (
    delivery_checks,
    run_checks,
    send_checks,
    store_checks,
)
from whimbrel.testing.soak.events import (
    Attached,
    Confirmed,
    Delivered,
    Event,
    Fail,
    Fault,
    Info,
    Invoked,
    Ok,
    Phase,
    Run,
    Started,
    Stopped,
    StoredCursor,
    StoredHead,
    StoredProblem,
    user_of,
)
from whimbrel.testing.soak.state import Seen
from whimbrel.testing.soak.verdict import KINDS, Verdict

_CHECKS: dict[type, Callable[[Seen, Any], None]] = {
    Started: run_checks.note_started,
    Stopped: run_checks.note_stopped,
    Attached: run_checks.check_attached,
    Confirmed: run_checks.note_confirmed,
    Invoked: send_checks.note_invoked,
    Ok: send_checks.check_accepted,
    Fail: send_checks.check_ended,
    Info: send_checks.check_ended,
    Delivered: delivery_checks.check_delivered,
    StoredHead: store_checks.check_head,
    StoredCursor: store_checks.check_cursor,
    StoredProblem: store_checks.check_problem,
}


class Checker:
    """Takes events one by one with `add`; `verdict` may be asked at any time."""

    def __init__(self) -> None:
        seen = self._seen = Seen()
        self.timing = seen.timing
        self.devices = seen.devices
        self.operations = seen.operations
        self.messages = seen.messages
        """By message_id, everything accepted or delivered."""
        self.sent = seen.sent
        """By message_id, everything accepted."""
        self._faults: Counter[str] = Counter()
        self._seed: int | None = None
        self._is_complete = False

    @property
    def outstanding(self) -> int:
        """Deliveries that are due and have not come."""
        return self._seen.outstanding

    @property
    def delivered(self) -> int:
        """Deliveries that have come."""
        return self._seen.delivered

    def add(self, event: Event) -> None:
        """Take the next event of the history."""
        self._seen.line += 1
        match event:
            case Run():
                self._seed = event.seed
            case Phase():
                self._begin_phase(event)
            case Fault():
                self._note_fault(event)
            case _:
                _CHECKS[type(event)](self._seen, event)

    def confirmed_cursors(self) -> dict[str, int]:
        """The highest cursor that each client was told is stored."""
        return {device.client: device.confirmed for device in self._seen.devices.values()}

    def verdict(self) -> Verdict:
        """What the events so far say; what is still due counts as lost."""
        seen, timing = self._seen, self._seen.timing
        violations = seen.violations.copy()
        for device in seen.devices.values():
            timeline = seen.timelines[user_of(device.client)]
            delivery_checks.note_lost(device, violations)
            delivery_checks.note_passed_over(device, timeline, seen.messages, violations)
        outcomes = Counter(one.outcome for one in seen.operations.values())
        return Verdict(
            invoked=len(seen.operations),
            accepted=outcomes["ok"],
            refused=outcomes["fail"],
            unknown=outcomes["info"] + outcomes[""],
            delivered=seen.delivered,
            counts={kind: violations.counts[kind] for kind in KINDS},
            shown=violations.shown(),
            gap_p50_ms=timing.gap_ms(0.5),
            gap_p99_ms=timing.gap_ms(0.99),
            gap_max_ms=timing.gap_ms(1.0),
            latency_p50_ms=timing.latency_ms(0.5),
            latency_p99_ms=timing.latency_ms(0.99),
            seconds_to_heads=None if violations.counts["lost"] else timing.seconds_to_heads(),
            faults=dict(sorted(self._faults.items())),
            seed=self._seed,
            is_complete=self._is_complete,
        )

    def _begin_phase(self, event: Phase) -> None:
        if event.name == "settle":
            self._seen.timing.settle(event.t)
        self._is_complete = event.name == "end"

    def _note_fault(self, event: Fault) -> None:
        if self._seen.timing.fault(event.kind, event.target, event.started, event.ended):
            self._faults[event.kind] += 1


def check(events: Iterable[Event]) -> Verdict:
    """The verdict on a whole history."""
    checker = Checker()
    for event in events:
        checker.add(event)
    return checker.verdict()
