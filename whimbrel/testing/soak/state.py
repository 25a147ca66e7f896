"""What the checker remembers of sends, devices and timelines. Data only.

Lines are those of the history, the first is 1; 0 means none. Nothing here grows faster than the
history does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from whimbrel.testing.soak.events import Invoked, user_of
from whimbrel.testing.soak.timing import Timing
from whimbrel.testing.soak.verdict import Violations


class Place(NamedTuple):
    """Where in a user's timeline a message was first seen, and the line that says so."""

    seq: int
    message_id: int
    line: int


@dataclass(slots=True)
class Operation:
    """A send, with all its attempts."""

    client: str
    id: str
    invoked: Invoked
    line: int
    outcome: str = ""
    outcome_line: int = 0
    message_id: int | None = None
    seq: int | None = None
    due_at: float | None = None


@dataclass(slots=True)
class Device:
    """A client, over all the runs of its program."""

    client: str
    reader: str = "prompt"
    attached_at: float | None = None
    started_at: float = 0.0
    run: int = 0
    given: dict[int, tuple[int, int]] = field(default_factory=dict)
    """message_id -> (run, line) of its last delivery"""
    due: dict[int, Operation] = field(default_factory=dict)
    passed: list[tuple[int, int, int]] = field(default_factory=list)
    """(first, last, line): seqs that were passed over, and where that was seen"""
    max_seq: int = 0
    last_at: float = 0.0
    run_seq: int = 0
    run_seq_line: int = 0
    run_highest: dict[str, tuple[int, int]] = field(default_factory=dict)
    highest: dict[str, tuple[int, int]] = field(default_factory=dict)
    """conversation -> (message_id, line)"""
    confirmed: int = 0
    confirmed_line: int = 0
    confirmed_at_start: int = 0


@dataclass(slots=True)
class Timeline:
    """What the devices of a user have said about it."""

    by_seq: dict[int, Place] = field(default_factory=dict)
    by_message: dict[int, Place] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)


@dataclass(slots=True)
class Seen:
    """All that a history has said so far."""

    line: int = 0
    """Of the event that is looked at."""
    operations: dict[tuple[str, str], Operation] = field(default_factory=dict)
    """By client and client_message_id, everything that was sent."""
    messages: dict[int, Operation] = field(default_factory=dict)
    """By message_id, everything accepted or delivered."""
    sent: dict[int, Operation] = field(default_factory=dict)
    """By message_id, everything accepted."""
    devices: dict[str, Device] = field(default_factory=dict)
    """By client."""
    timelines: dict[str, Timeline] = field(default_factory=lambda: defaultdict(Timeline))
    """By user."""
    outstanding: int = 0
    """Deliveries that are due and have not come."""
    delivered: int = 0
    timing: Timing = field(default_factory=Timing)
    violations: Violations = field(default_factory=Violations)

    def device(self, client: str) -> Device:
        """This client's, new or not."""
        device = self.devices.get(client)
        if device is None:
            device = self.devices[client] = Device(client)
            self.timelines[user_of(client)].devices.append(device)
        return device
