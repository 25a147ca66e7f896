"""What the checker asks of the last look into the stores. Pure."""

from __future__ import annotations

from whimbrel.testing.soak.events import StoredCursor, StoredHead, StoredProblem
from whimbrel.testing.soak.state import Seen


def check_head(seen: Seen, event: StoredHead) -> None:
    """A timeline is whole up to its head, and nobody was given more."""
    if event.holes:
        seen.violations.add(
            "holes",
            f"the timeline of {event.user} lacks {list(event.holes[:10])}",
            seen.line,
            count=len(event.holes),
        )
    above = [d for d in seen.timelines[event.user].devices if d.max_seq > event.head]
    for device in above:
        seen.violations.add(
            "holes",
            f"{device.client} was given seq {device.max_seq}, the timeline ends at {event.head}",
            seen.line,
        )


def check_cursor(seen: Seen, event: StoredCursor) -> None:
    """What was confirmed is stored."""
    device = seen.device(event.client)
    if event.cursor < device.confirmed:
        seen.violations.add(
            "cursors_back",
            f"the stored cursor of {event.client} is {event.cursor}, {device.confirmed} was "
            "confirmed",
            device.confirmed_line,
            seen.line,
        )


def check_problem(seen: Seen, event: StoredProblem) -> None:
    """Something that the look itself has found wrong."""
    seen.violations.add(event.kind, f"in the stores: {event.text}", seen.line)
