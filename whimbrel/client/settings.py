"""The figures of a client; the defaults are right for a program with a person in front of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from whimbrel.core.backoff import ReconnectPolicy
from whimbrel.core.inbox_types import InboxLimits
from whimbrel.core.nat_probe import ProbePolicy
from whimbrel.core.outgoing import OutboxLimits


class Observer(Protocol):
    """Is told what the server promises. Called in the client's own task; must not raise."""

    def greeted(self) -> None:
        """A Hello is about to be written: whatever was confirmed until now holds for it."""

    def welcomed(self, first_seq: int, head: int, epoch: int) -> None:
        """A stream is attached; what comes on it begins with `first_seq`."""

    def confirmed(self, cursor: int) -> None:
        """The server has stored an ack."""

    def lost(self) -> None:
        """The last attached stream has ended; a move is none, it has the next one already."""


@dataclass(frozen=True)
class ClientSettings:
    """Pass one to `connect` to change a default; times are seconds."""

    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    """How long to wait before the next stream."""
    inbox: InboxLimits = field(default_factory=InboxLimits)
    """Ack delay, holes, memory for conversations."""
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    """How many messages may wait for acceptance."""
    probe: ProbePolicy = field(default_factory=ProbePolicy)
    """How the longest heartbeat of the background is found out; its bounds are the server's."""
    welcome_timeout_seconds: float = 10.0
    """From the start of an attempt to its Welcome. Default 10: the server's own limit."""
    pong_timeout_seconds: float = 10.0
    """From a Ping to any frame. Default 10: a slow mobile network at its worst."""
    fin_timeout_seconds: float = 10.0
    """How long a stream that a newer one has replaced waits for its Fin before it says Bye.
    Default 10: by then the old pod has asserted its sessions and knows."""
    leave_timeout_seconds: float = 2.0
    """How long leaving waits for the last ack to be stored. Default 2: the server stores acks
    every 0.5 s. An ack that is not confirmed costs a repeated event after the next start."""
    write_timeout_seconds: float = 30.0
    """How long a frame may wait for the transport before the stream is given up. Default 30:
    the server stops reading while it has too many unanswered sends, for 10 s at most."""
    secure: bool = False
    """Whether to speak TLS with the system's roots. Default False: a laptop. See also
    `connect(tls=…)`, which says more."""
    observer: Observer | None = None
    """Who is told of attachments and stored acks. Default None. For tests and tools that check
    the promises from outside."""
