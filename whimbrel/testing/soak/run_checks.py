"""What the checker asks of the runs of a client's program: where each goes on. Pure."""

from __future__ import annotations

from whimbrel.testing.soak.events import Attached, Confirmed, Started, Stopped
from whimbrel.testing.soak.state import Seen


def note_started(seen: Seen, event: Started) -> None:
    """A run has begun; it knows nothing of what earlier ones were given."""
    device = seen.device(event.client)
    device.reader = event.reader
    device.started_at = event.t
    device.run += 1
    device.run_seq = device.run_seq_line = 0
    device.run_highest = {}
    device.confirmed_at_start = device.confirmed


def note_stopped(seen: Seen, event: Stopped) -> None:
    """A run has ended; the device stays."""
    seen.device(event.client)


def check_attached(seen: Seen, event: Attached) -> None:
    """It resumes above what was confirmed."""
    device = seen.device(event.client)
    if device.attached_at is None:
        device.attached_at = event.t
        device.max_seq = event.first_seq - 1
    confirmed = device.confirmed if event.confirmed is None else event.confirmed
    if event.first_seq <= confirmed:
        seen.violations.add(
            "cursors_back",
            f"{event.client} resumes at seq {event.first_seq}, its cursor {confirmed} "
            "was confirmed",
            device.confirmed_line,
            seen.line,
        )


def note_confirmed(seen: Seen, event: Confirmed) -> None:
    """It was told that its cursor is stored."""
    device = seen.device(event.client)
    if event.cursor > device.confirmed:
        device.confirmed, device.confirmed_line = event.cursor, seen.line
