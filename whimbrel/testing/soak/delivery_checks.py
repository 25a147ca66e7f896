"""What the checker asks of each delivery, and of what was never delivered. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from whimbrel.testing.soak.events import Delivered, user_of
from whimbrel.testing.soak.send_checks import check_place, exist
from whimbrel.testing.soak.state import Device, Operation, Seen, Timeline
from whimbrel.testing.soak.verdict import Violations


def check_delivered(seen: Seen, event: Delivered) -> None:
    """A device was given a message."""
    seen.delivered += 1
    device = seen.device(event.client)
    _check_repeat(device, event, seen.line, seen.violations)
    _check_order(device, event, seen.line, seen.violations)
    check_place(seen, user_of(event.client), event.seq, event.message_id)
    operation = seen.operations.get((event.sender, event.id))
    if operation is None:
        seen.violations.add(
            "phantoms",
            f"{event.client} was given {event.sender} {event.id}, which was never sent",
            seen.line,
        )
    else:
        _check_content(operation, event, seen.line, seen.violations)
        exist(seen, operation, event.message_id, event.t)
        _note_time(seen, device, operation, event)
    device.given[event.message_id] = (device.run, seen.line)
    device.last_at = event.t


def _check_repeat(device: Device, event: Delivered, line: int, violations: Violations) -> None:
    """Whether this device was given the message before, and may be given it again."""
    before = device.given.get(event.message_id)
    if before is None:
        return
    run, before_line = before
    name = f"{event.client} was given message {event.message_id}"
    if run == device.run:
        violations.add("duplicated", f"{name} twice", before_line, line)
    elif event.seq <= device.confirmed_at_start:
        violations.add(
            "cursors_back",
            f"{name} (seq {event.seq}) again, its cursor {device.confirmed_at_start} was "
            "confirmed before it started",
            before_line,
            device.confirmed_line,
            line,
        )


def _check_order(device: Device, event: Delivered, line: int, violations: Violations) -> None:
    """Whether it comes in the order of the timeline and of its conversation; notes its place."""
    conversation, message_id = event.conversation, event.message_id
    is_repeat = message_id in device.given
    if event.seq <= device.run_seq and not is_repeat:
        violations.add(
            "reordered",
            f"{event.client} was given seq {event.seq} after seq {device.run_seq}",
            device.run_seq_line,
            line,
        )
    highest, highest_line = device.run_highest.get(conversation, (0, 0))
    ever, ever_line = device.highest.get(conversation, (0, 0))
    told = f"{event.client} was given message {message_id} of {conversation} after message"
    if message_id < highest and not event.late and not is_repeat:
        text = f"{told} {highest}, not marked late"
        violations.add("reordered", text, highest_line, line)
    elif message_id < ever and event.seq > device.max_seq and not event.late:
        # It cannot know what an earlier run of its program had shown, the person can.
        violations.add(
            "disagreements",
            f"{told} {ever} of an earlier run, not marked late",
            ever_line,
            line,
        )
    if message_id > highest:
        device.run_highest[conversation] = message_id, line
    if message_id > ever:
        device.highest[conversation] = message_id, line
    if event.seq > device.run_seq:
        device.run_seq, device.run_seq_line = event.seq, line
    if event.seq > device.max_seq:
        if event.seq > device.max_seq + 1 and device.attached_at is not None:
            device.passed.append((device.max_seq + 1, event.seq - 1, line))
        device.max_seq = event.seq


def _check_content(
    operation: Operation, event: Delivered, line: int, violations: Violations
) -> None:
    """Whether it is what was sent, and for this user."""
    invoked = operation.invoked
    name = f"{event.client} was given {event.sender} {event.id}"
    lines = operation.line, operation.outcome_line, line
    if event.digest != invoked.digest:
        violations.add("phantoms", f"{name} with another body", *lines)
    if event.conversation != invoked.conversation:
        violations.add("phantoms", f"{name} in {event.conversation}", *lines)
    if user_of(event.client) not in invoked.members:
        violations.add("phantoms", f"{name}, which is not for it", *lines)
    if operation.outcome == "fail":
        violations.add("phantoms", f"{name}, which was refused", *lines)


def _note_time(seen: Seen, device: Device, operation: Operation, event: Delivered) -> None:
    if device.due.pop(event.message_id, None) is None:
        return
    seen.outstanding -= 1
    seen.timing.was_due(event.t)
    if device.reader == "prompt":
        due_at = event.t if operation.due_at is None else operation.due_at
        seen.timing.gap(event.t - max(due_at, device.last_at, device.started_at))
        seen.timing.delivered(event.t, operation.invoked.t)


def note_lost(device: Device, violations: Violations) -> None:
    """What is still due at the end is lost."""
    for message_id, operation in device.due.items():
        violations.add(
            "lost",
            f"{device.client} was never given message {message_id}, {operation.client} "
            f"{operation.id} (last seq {device.max_seq})",
            operation.line,
            operation.outcome_line,
        )


def note_passed_over(
    device: Device, timeline: Timeline, messages: Mapping[int, Operation], violations: Violations
) -> None:
    """A number that was left out has to be a void or the device's own message."""
    for first, last, line in device.passed:
        for seq in range(first, last + 1):
            place = timeline.by_seq.get(seq)
            if place is None or place.message_id in device.given:
                continue
            operation = messages.get(place.message_id)
            if operation is None or operation.client != device.client:
                violations.add(
                    "holes",
                    f"{device.client} passed over seq {seq}, which is message {place.message_id}",
                    place.line,
                    line,
                )
