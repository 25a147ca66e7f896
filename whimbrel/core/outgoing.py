"""The words of an outbox: a message to send, the bounds, the figures."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from whimbrel.core.attributes import PLAIN, Attributes
from whimbrel.core.errors import invalid

_FRAME_OVERHEAD_BYTES = 32
_ATTRIBUTES_BYTES = 320
"""More than attributes without mentions take: two ids have at most 200 characters."""


class BodyKind(enum.IntEnum):
    """What the bytes of a body are; the numbers are those of whimbrel.api.types.v1.BodyKind."""

    TEXT = 1
    BYTES = 2
    ENCRYPTED = 3
    SYSTEM = 4
    """JSON about the conversation; the server alone writes it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send. Exactly one of `conversation_id` and `recipient_id` is set."""

    client_message_id: str
    kind: BodyKind
    body: bytes
    conversation_id: str | None = None
    recipient_id: str | None = None
    attributes: Attributes = PLAIN
    traceparent: str = ""
    """Of the trace that the application has begun for it; empty: none. Not kept over a restart."""

    def __post_init__(self) -> None:
        if (self.conversation_id is None) == (self.recipient_id is None):
            raise invalid("either a conversation or a recipient, not both")
        self.attributes.check()

    @property
    def target(self) -> str:
        """What the order of messages is kept for."""
        return self.conversation_id or f"@{self.recipient_id}"

    @property
    def size(self) -> int:
        """Bytes on the wire, rounded up."""
        ids = len(self.client_message_id) + len(self.target)
        size = len(self.body) + ids + _FRAME_OVERHEAD_BYTES
        return (
            size
            + _ATTRIBUTES_BYTES * bool(self.attributes)
            + len(self.attributes.media_id)
            + len(self.traceparent)
            + sum(len(user) + 2 for user in self.attributes.mentions)
        )


@dataclass(frozen=True)
class OutboxLimits:
    """The figures of an outbox."""

    capacity_messages: int = 1_000
    """Messages that may wait. Default 1,000: an hour of somebody who types fast, offline."""
    capacity_bytes: int = 16 * 1024 * 1024
    """Their bytes. Default 16 MiB."""
    answer_timeout_seconds: float = 15.0
    """Seconds without any answer after which a message is sent again on the same stream.
    Default 15: the server says "unknown" after 10, so this is an answer that was lost."""
    remembered_answers: int = 1_024
    """How many ids are remembered after their answer (see `Outbox.knows`). Default 1,024: four
    windows, more than what can come again after a resume."""


@dataclass(frozen=True)
class OutboxStatistics:
    """What an Outbox holds at this moment, and what it did."""

    waiting: int
    unanswered: int
    bytes: int
    resends: int
