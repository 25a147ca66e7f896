"""The words of an inbox: what it takes, what it gives, its figures, what it refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, Protocol, TypeVar

from whimbrel.core.lateness import REMEMBERED_CONVERSATIONS


class Conversational(Protocol):
    """What an Inbox has to know of a message; generated messages fit."""

    @property
    def message_id(self) -> int:
        """Global, rising."""

    @property
    def conversation_id(self) -> str:
        """Where it was said."""


M = TypeVar("M", bound=Conversational)


class Received(NamedTuple, Generic[M]):
    """A message in its place."""

    seq: int
    message: M
    is_late: bool
    size: int


class Place(NamedTuple, Generic[M]):
    """What has come for one seq: a message, a void, or the answer to a send of the device's own
    (its conversation_id and message_id)."""

    seq: int
    message: M | None
    own: tuple[str, int] | None
    hint: bool
    size: int


@dataclass(frozen=True)
class InboxLimits:
    """The figures of an inbox, times in seconds."""

    ack_delay_seconds: float = 1.0
    """How long an ack waits for company. Default 1: it costs as much as the message did, and
    half a window is acknowledged at once in any case. A program that is killed gets again what it
    finished in that time."""
    receipt_delay_seconds: float = 0.2
    """The same for a device that takes part in delivered receipts, which are made from its acks:
    the longer of the two does not count there. Default 0.2: a sender sees it at once."""
    own_ack_delay_seconds: float = 5.0
    """The same while nothing is owed but for messages of this very device. Default 5: all that
    hangs on it is where the server begins after a program has lost its memory, and the ack of a
    later message says it too."""
    hole_seconds: float = 1.0
    """Age of a hole at which the server is asked again. Default 1: it repairs by itself first."""
    quiet_seconds: float = 5.0
    """Silence after which a head that is known to be ahead counts as a hole. Default 5."""
    hold_capacity: int = 4_096
    """Entries held behind a hole. Default 4,096; what is dropped beyond comes by Sync."""
    conversations: int = REMEMBERED_CONVERSATIONS
    """Conversations whose highest message_id is remembered (see Lateness). Default 4,096."""

    def hurried(self) -> InboxLimits:
        """Those of a device whose acks somebody else waits for."""
        delay = min(self.ack_delay_seconds, self.receipt_delay_seconds)
        return replace(self, ack_delay_seconds=delay)


@dataclass(frozen=True)
class InboxStatistics:
    """What an Inbox holds at this moment, and what it did."""

    handled: int
    received: int
    acked: int
    confirmed: int
    waiting: int
    held: int
    repeats: int
    syncs: int


class RemoteProtocolError(Exception):
    """The server broke the protocol: the stream is not to be trusted."""
