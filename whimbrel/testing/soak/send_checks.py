"""What the checker asks of each send: of what its sender was told, and, since that and a delivery
both show that a message is durable, that all who speak of it say the same. Pure."""

from __future__ import annotations

from whimbrel.testing.soak.events import Fail, Info, Invoked, Ok, user_of
from whimbrel.testing.soak.state import Operation, Place, Seen


def note_invoked(seen: Seen, event: Invoked) -> None:
    """A send was first tried."""
    key = event.client, event.id
    if key not in seen.operations:
        seen.operations[key] = Operation(event.client, event.id, event, seen.line)


def check_accepted(seen: Seen, event: Ok) -> None:
    """Its sender was told that it is durable; every time the same."""
    operation = seen.operations.get((event.client, event.id))
    if operation is None:
        seen.violations.add(
            "phantoms", f"{event.client} was told {event.id}, which it never sent", seen.line
        )
        return
    _check_answer(seen, operation, event)
    seen.sent[event.message_id] = operation
    operation.outcome, operation.outcome_line = "ok", seen.line
    if operation.seq is None:
        operation.seq = event.seq
        check_place(seen, user_of(event.client), event.seq, event.message_id)
    exist(seen, operation, event.message_id, event.t)


def check_ended(seen: Seen, event: Fail | Info) -> None:
    """Its sender was told that it was refused, or gave it up without knowing."""
    operation = seen.operations.get((event.client, event.id))
    if operation is None or operation.outcome == "ok":
        return
    operation.outcome = "fail" if isinstance(event, Fail) else "info"
    operation.outcome_line = seen.line
    if operation.outcome == "fail" and operation.message_id is not None:
        seen.violations.add(
            "phantoms",
            f"{event.client} {event.id} was delivered, then refused",
            operation.line,
            seen.line,
        )


def exist(seen: Seen, operation: Operation, message_id: int, now: float) -> None:
    """The message is durable: from here on it is due to everybody."""
    if operation.message_id not in (None, message_id):
        seen.violations.add(
            "duplicated",
            f"{operation.client} {operation.id} is message {operation.message_id} and "
            f"message {message_id}",
            operation.line,
            operation.outcome_line,
            seen.line,
        )
        return
    other = seen.messages.setdefault(message_id, operation)
    if other is not operation:
        seen.violations.add(
            "disagreements",
            f"message {message_id} is {other.client} {other.id} and "
            f"{operation.client} {operation.id}",
            other.line,
            operation.line,
            seen.line,
        )
        return
    if operation.message_id is None:
        operation.message_id = message_id
        operation.due_at = now
        _owe(seen, operation, message_id)


def check_place(seen: Seen, user: str, seq: int, message_id: int) -> None:
    """All that say where something is in a timeline have to say the same."""
    timeline = seen.timelines[user]
    place = Place(seq, message_id, seen.line)
    there = timeline.by_seq.setdefault(seq, place)
    if there.message_id != message_id:
        seen.violations.add(
            "disagreements",
            f"seq {seq} of {user} is message {there.message_id} and message {message_id}",
            there.line,
            seen.line,
        )
    known = timeline.by_message.setdefault(message_id, place)
    if known.seq != seq:
        seen.violations.add(
            "duplicated",
            f"message {message_id} stands at seq {known.seq} and at seq {seq} of {user}",
            known.line,
            seen.line,
        )


def _check_answer(seen: Seen, operation: Operation, event: Ok) -> None:
    name, lines = f"{event.client} {event.id}", (operation.line, operation.outcome_line)
    if operation.outcome == "fail":
        seen.violations.add("phantoms", f"{name} was refused, then accepted", *lines, seen.line)
    if event.conversation != operation.invoked.conversation:
        seen.violations.add(
            "phantoms", f"{name} was stored in {event.conversation}", *lines, seen.line
        )
    if operation.seq not in (None, event.seq):
        seen.violations.add(
            "duplicated",
            f"{name} was accepted at seq {operation.seq} and at seq {event.seq}",
            *lines,
            seen.line,
        )


def _owe(seen: Seen, operation: Operation, message_id: int) -> None:
    for user in operation.invoked.members:
        for device in seen.timelines[user].devices:
            is_there = device.attached_at is not None and (
                device.attached_at <= operation.invoked.t
            )
            is_done = device.client == operation.client or message_id in device.given
            if is_there and device.reader != "deaf" and not is_done:
                device.due[message_id] = operation
                seen.outstanding += 1
