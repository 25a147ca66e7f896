"""What happened in a world: the events that the checker judges, and what only a world can see.

A soak sees the cluster from outside; a world also sees each frame, each fault's exact moments
and the stores at any time, so it can ask for more (see `findings`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from whimbrel.testing.soak.events import Event, Fault, digest_of

_OF_ONE_DEVICE = frozenset(
    ("cut_client", "half_open", "restart_device", "forget_device", "change_members")
)


class Given(NamedTuple):
    """An application was given a message at `t`; it was idle, on the same stream, from `since`."""

    t: float
    client: str
    since: float
    message_id: int


class Reply(NamedTuple):
    """A message was written by somebody who had seen `after` in the same conversation."""

    id: str
    after: int


@dataclass
class Record:
    """Filled while a world runs; `now` is simulated seconds."""

    now: Callable[[], float]
    events: list[Event] = field(default_factory=list)
    given: list[Given] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    accepted_at: dict[int, float] = field(default_factory=dict)
    """When a sender heard of it first, by message_id."""
    faults: list[tuple[float, float]] = field(default_factory=list)
    """From when to when something was wrong, but for what concerns one device alone."""
    broken_words: list[str] = field(default_factory=list)
    """What an end of a stream said and must never say, in words."""
    unanswered: list[str] = field(default_factory=list)
    """Sends that had no answer at the end."""
    problems: list[str] = field(default_factory=list)
    """What was seen in the stores meanwhile, and must not be."""

    def add(self, event: Event) -> None:
        """Keep an event; they have to come in order."""
        self.events.append(event)

    def faulty(self, kind: str, since: float) -> None:
        """Something was wrong from `since` until now."""
        now = self.now()
        if kind not in _OF_ONE_DEVICE:
            self.faults.append((since, now))
        self.add(Fault(now, kind, "", since, now))


def digest(text: str) -> str:
    """Names a text as the events do."""
    return digest_of(text.encode())
