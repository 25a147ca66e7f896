"""A healthy history, small enough to be broken by hand."""

from __future__ import annotations

from whimbrel.testing.soak.events import (
    Attached,
    Confirmed,
    Delivered,
    Event,
    Invoked,
    Ok,
    Phase,
    Run,
    Started,
)

CONVERSATION = "d:alice:bob"
ALICE, BOB, DESK = "alice/phone", "bob/phone", "bob/desk"


def delivered(t: float, client: str, number: int, seq: int | None = None) -> Delivered:
    return Delivered(
        t, client, seq or number, 100 + number, CONVERSATION, False, ALICE, f"m{number}", "d"
    )


def healthy(messages: int = 5) -> list[Event]:
    """Alice sends to Bob, who has two devices; all of it arrives 0.01 s after its acceptance."""
    events: list[Event] = [Run(0.0, 7, {})]
    for number, client in enumerate((ALICE, BOB, DESK)):
        events += [Started(0.1, client, "prompt", False), Attached(0.2, client, 1, 0, number)]
    events.append(Phase(0.3, "load"))
    for number in range(1, messages + 1):
        at = float(number)
        events += [
            Invoked(at, ALICE, f"m{number}", CONVERSATION, ("alice", "bob"), "d"),
            Ok(at + 0.1, ALICE, f"m{number}", 100 + number, number, CONVERSATION),
            delivered(at + 0.11, BOB, number),
            delivered(at + 0.12, DESK, number),
            Confirmed(at + 0.5, BOB, number),
        ]
    events += [Phase(messages + 1.0, "settle"), Phase(messages + 2.0, "end")]
    return events
