"""What is said beside the messages: nothing here is stored as it is, and all of it may be lost."""

from __future__ import annotations

import enum
from typing import NamedTuple


class SignalKind(enum.Enum):
    """What a signal says about its user and its conversation."""

    TYPING = "typing"
    READ = "read"
    DELIVERED = "delivered"


class Signal(NamedTuple):
    """One device of `user` has something to say to the members of a conversation."""

    kind: SignalKind
    user: str
    conversation: str
    device: str
    message_id: int = 0
    """Of receipts: everything up to here."""
    has_stopped: bool = False
    """Of typing."""


class Whereabout(NamedTuple):
    """One device of a user is attached there."""

    pod_id: str
    platform: str


class PresenceState(NamedTuple):
    """How somebody looks to others."""

    user: str
    platforms: tuple[str, ...]
    """Of the devices that are attached, sorted, each once; none: not online."""
    last_seen_ms: int
    """Unix milliseconds, of somebody who is not online; 0 when that is not known."""


class Watch(NamedTuple):
    """A device wants to see these users; all that it wants to see."""

    viewer: str
    device: str
    users: tuple[str, ...]
