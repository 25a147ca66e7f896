"""Decides from a history alone which promises were broken. Pure; one pass, linear in its length.

It trusts nothing but the clients' own word (and, for the last look, the stores'). What each kind
of violation means is in docs/operations/soak.md. A delivery is owed to every device of every
member that was attached before the send was first tried, except to the device that sent it, as
soon as the sender was told "accepted" or any device was given the message.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from whimbrel.testing.soak.delivery_checks import (
    check_content,
    check_order,
    check_repeat,
    note_lost,
    note_passed_over,
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
from whimbrel.testing.soak.state import Device, Operation, Place, Timeline
from whimbrel.testing.soak.timing import Timing
from whimbrel.testing.soak.verdict import KINDS, Verdict, Violations


class Checker:
    """Takes events one by one with `add`; `verdict` may be asked at any time."""

    def __init__(self) -> None:
        self.timing = Timing()
        self.devices: dict[str, Device] = {}
        self.operations: dict[tuple[str, str], Operation] = {}
        self.messages: dict[int, Operation] = {}
        """By message_id, everything accepted or delivered."""
        self.outstanding = 0
        """Deliveries that are due and have not come."""
        self.sent: dict[int, Operation] = {}
        """By message_id, everything accepted."""
        self.delivered = 0
        self._timelines: dict[str, Timeline] = defaultdict(Timeline)
        self._violations = Violations()
        self._faults: Counter[str] = Counter()
        self._line = 0
        self._seed: int | None = None
        self._is_complete = False
        self._take: dict[type, Callable[[Any], None]] = {
            Run: self._run,
            Phase: self._phase,
            Started: self._started,
            Stopped: self._stopped,
            Attached: self._attached,
            Invoked: self._invoked,
            Ok: self._ok,
            Fail: self._ended,
            Info: self._ended,
            Delivered: self._delivered,
            Confirmed: self._confirmed,
            Fault: self._fault,
            StoredHead: self._stored_head,
            StoredCursor: self._stored_cursor,
            StoredProblem: self._stored_problem,
        }

    def add(self, event: Event) -> None:
        """Take the next event of the history."""
        self._line += 1
        self._take[type(event)](event)

    def confirmed_cursors(self) -> dict[str, int]:
        """The highest cursor that each client was told is stored."""
        return {device.client: device.confirmed for device in self.devices.values()}

    def verdict(self) -> Verdict:
        """What the events so far say; what is still due counts as lost."""
        violations = self._violations.copy()
        for device in self.devices.values():
            timeline = self._timelines[user_of(device.client)]
            note_lost(device, violations)
            note_passed_over(device, timeline, self.messages, violations)
        outcomes = Counter(one.outcome for one in self.operations.values())
        timing = self.timing
        return Verdict(
            invoked=len(self.operations),
            accepted=outcomes["ok"],
            refused=outcomes["fail"],
            unknown=outcomes["info"] + outcomes[""],
            delivered=self.delivered,
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

    # --- the run ---------------------------------------------------------------------

    def _run(self, event: Run) -> None:
        self._seed = event.seed

    def _phase(self, event: Phase) -> None:
        if event.name == "settle":
            self.timing.settle(event.t)
        self._is_complete = event.name == "end"

    def _fault(self, event: Fault) -> None:
        if self.timing.fault(event.kind, event.target, event.started, event.ended):
            self._faults[event.kind] += 1

    # --- clients ---------------------------------------------------------------------

    def _device(self, client: str) -> Device:
        device = self.devices.get(client)
        if device is None:
            device = self.devices[client] = Device(client)
            self._timelines[user_of(client)].devices.append(device)
        return device

    def _started(self, event: Started) -> None:
        device = self._device(event.client)
        device.reader = event.reader
        device.started_at = event.t
        device.run += 1
        device.run_seq = device.run_seq_line = 0
        device.run_highest = {}
        device.confirmed_at_start = device.confirmed

    def _stopped(self, event: Stopped) -> None:
        self._device(event.client)

    def _attached(self, event: Attached) -> None:
        device = self._device(event.client)
        if device.attached_at is None:
            device.attached_at = event.t
            device.max_seq = event.first_seq - 1
        confirmed = device.confirmed if event.confirmed is None else event.confirmed
        if event.first_seq <= confirmed:
            self._violations.add(
                "cursors_back",
                f"{event.client} resumes at seq {event.first_seq}, its cursor {confirmed} "
                "was confirmed",
                device.confirmed_line,
                self._line,
            )

    def _confirmed(self, event: Confirmed) -> None:
        device = self._device(event.client)
        if event.cursor > device.confirmed:
            device.confirmed, device.confirmed_line = event.cursor, self._line

    # --- sends -----------------------------------------------------------------------

    def _invoked(self, event: Invoked) -> None:
        key = event.client, event.id
        if key not in self.operations:
            self.operations[key] = Operation(event.client, event.id, event, self._line)

    def _ok(self, event: Ok) -> None:
        operation = self.operations.get((event.client, event.id))
        if operation is None:
            self._violations.add(
                "phantoms", f"{event.client} was told {event.id}, which it never sent", self._line
            )
            return
        self._check_answer(operation, event)
        self.sent[event.message_id] = operation
        operation.outcome, operation.outcome_line = "ok", self._line
        if operation.seq is None:
            operation.seq = event.seq
            self._place(user_of(event.client), event.seq, event.message_id)
        self._exists(operation, event.message_id, event.t)

    def _check_answer(self, operation: Operation, event: Ok) -> None:
        name, lines = f"{event.client} {event.id}", (operation.line, operation.outcome_line)
        if operation.outcome == "fail":
            self._violations.add(
                "phantoms", f"{name} was refused, then accepted", *lines, self._line
            )
        if event.conversation != operation.invoked.conversation:
            self._violations.add(
                "phantoms", f"{name} was stored in {event.conversation}", *lines, self._line
            )
        if operation.seq not in (None, event.seq):
            self._violations.add(
                "duplicated",
                f"{name} was accepted at seq {operation.seq} and at seq {event.seq}",
                *lines,
                self._line,
            )

    def _ended(self, event: Fail | Info) -> None:
        operation = self.operations.get((event.client, event.id))
        if operation is None or operation.outcome == "ok":
            return
        operation.outcome = "fail" if isinstance(event, Fail) else "info"
        operation.outcome_line = self._line
        if operation.outcome == "fail" and operation.message_id is not None:
            self._violations.add(
                "phantoms",
                f"{event.client} {event.id} was delivered, then refused",
                operation.line,
                self._line,
            )

    def _exists(self, operation: Operation, message_id: int, now: float) -> None:
        """The message is durable: from here on it is due to everybody."""
        if operation.message_id not in (None, message_id):
            self._violations.add(
                "duplicated",
                f"{operation.client} {operation.id} is message {operation.message_id} and "
                f"message {message_id}",
                operation.line,
                operation.outcome_line,
                self._line,
            )
            return
        other = self.messages.setdefault(message_id, operation)
        if other is not operation:
            self._violations.add(
                "disagreements",
                f"message {message_id} is {other.client} {other.id} and "
                f"{operation.client} {operation.id}",
                other.line,
                operation.line,
                self._line,
            )
            return
        if operation.message_id is None:
            operation.message_id = message_id
            operation.due_at = now
            self._owe(operation, message_id)

    def _owe(self, operation: Operation, message_id: int) -> None:
        for user in operation.invoked.members:
            for device in self._timelines[user].devices:
                is_there = device.attached_at is not None and (
                    device.attached_at <= operation.invoked.t
                )
                is_done = device.client == operation.client or message_id in device.given
                if is_there and device.reader != "deaf" and not is_done:
                    device.due[message_id] = operation
                    self.outstanding += 1

    def _place(self, user: str, seq: int, message_id: int) -> None:
        """All that say where something is in a timeline have to say the same."""
        timeline = self._timelines[user]
        place = Place(seq, message_id, self._line)
        there = timeline.by_seq.setdefault(seq, place)
        if there.message_id != message_id:
            self._violations.add(
                "disagreements",
                f"seq {seq} of {user} is message {there.message_id} and message {message_id}",
                there.line,
                self._line,
            )
        known = timeline.by_message.setdefault(message_id, place)
        if known.seq != seq:
            self._violations.add(
                "duplicated",
                f"message {message_id} stands at seq {known.seq} and at seq {seq} of {user}",
                known.line,
                self._line,
            )

    # --- deliveries ------------------------------------------------------------------

    def _delivered(self, event: Delivered) -> None:
        self.delivered += 1
        device = self._device(event.client)
        check_repeat(device, event, self._line, self._violations)
        check_order(device, event, self._line, self._violations)
        self._place(user_of(event.client), event.seq, event.message_id)
        operation = self.operations.get((event.sender, event.id))
        if operation is None:
            self._violations.add(
                "phantoms",
                f"{event.client} was given {event.sender} {event.id}, which was never sent",
                self._line,
            )
        else:
            check_content(operation, event, self._line, self._violations)
            self._exists(operation, event.message_id, event.t)
            self._note_time(device, operation, event)
        device.given[event.message_id] = (device.run, self._line)
        device.last_at = event.t

    def _note_time(self, device: Device, operation: Operation, event: Delivered) -> None:
        if device.due.pop(event.message_id, None) is None:
            return
        self.outstanding -= 1
        self.timing.was_due(event.t)
        if device.reader == "prompt":
            due_at = event.t if operation.due_at is None else operation.due_at
            self.timing.gap(event.t - max(due_at, device.last_at, device.started_at))
            self.timing.delivered(event.t, operation.invoked.t)

    # --- the stores ------------------------------------------------------------------

    def _stored_head(self, event: StoredHead) -> None:
        if event.holes:
            self._violations.add(
                "holes",
                f"the timeline of {event.user} lacks {list(event.holes[:10])}",
                self._line,
                count=len(event.holes),
            )
        above = [d for d in self._timelines[event.user].devices if d.max_seq > event.head]
        for device in above:
            self._violations.add(
                "holes",
                f"{device.client} was given seq {device.max_seq}, the timeline ends at "
                f"{event.head}",
                self._line,
            )

    def _stored_cursor(self, event: StoredCursor) -> None:
        device = self._device(event.client)
        if event.cursor < device.confirmed:
            self._violations.add(
                "cursors_back",
                f"the stored cursor of {event.client} is {event.cursor}, {device.confirmed} was "
                "confirmed",
                device.confirmed_line,
                self._line,
            )

    def _stored_problem(self, event: StoredProblem) -> None:
        self._violations.add(event.kind, f"in the stores: {event.text}", self._line)


def check(events: Iterable[Event]) -> Verdict:
    """The verdict on a whole history."""
    checker = Checker()
    for event in events:
        checker.add(event)
    return checker.verdict()
