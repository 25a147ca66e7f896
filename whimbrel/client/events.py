"""What an application gets from the SDK: messages, receipts, figures, and how a stream ended."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from whimbrel.core.attributes import PLAIN, Attributes
from whimbrel.core.backoff import BackoffStatistics
from whimbrel.core.errors import CloseCode
from whimbrel.core.heartbeat_plan import HeartbeatPlanStatistics
from whimbrel.core.inbox_types import InboxStatistics
from whimbrel.core.migration import MoveStatistics
from whimbrel.core.outgoing import BodyKind, OutboxStatistics


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A message of the timeline, from somebody else or from another device of this user."""

    seq: int
    """Its place in this user's timeline. Rises from event to event; numbers that are left out
    are voids and messages that this device sent itself."""
    message_id: int
    """Global, 64 bits, and the order of the conversation. In JSON write it as a string."""
    conversation_id: str
    """"d:alice:bob" for a direct conversation, "g:…" for a group. `send_to` takes it."""
    sender_id: str
    """The user who sent it; may be this user, on another device."""
    sender_device_id: str
    """Which of the sender's devices."""
    client_message_id: str
    """The sender's own id of it."""
    kind: BodyKind
    """What the bytes of `body` are."""
    body: bytes
    """The content as it was sent."""
    sent_at_ms: int
    """Milliseconds since 1970 by the clock of the server that stored it. For display only."""
    late: bool
    """True: insert it into the conversation by `message_id`, not at the end."""
    attributes: Attributes = PLAIN
    """What it answers, whom it means, what it takes back or changes. With `recalls` or `edits`
    this event changes another message: of several the one with the highest message_id counts,
    and a recall for good."""
    recalled_by: int = 0
    """message_id of the recall, when it was taken back before this device read it; the body is
    empty then."""
    edited_by: int = 0
    """message_id of the newest edit before this device read it; the body is the edit's then."""

    @property
    def text(self) -> str:
        """The body as text. ValueError when it is not a text; bytes that are not UTF-8 become
        U+FFFD, because the server does not look into bodies."""
        if self.kind is not BodyKind.TEXT:
            raise ValueError(f"the body is {self.kind.name}, not TEXT: read `body`")
        return self.body.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The message is durable, and it is in the timeline of everybody it is for."""

    client_message_id: str
    """The id that the SDK or the caller gave it."""
    message_id: int
    """Its place in the conversation."""
    seq: int
    """Its place in the sender's own timeline."""
    conversation_id: str
    """Where it is; for a message to a user, the direct conversation with that user."""
    trace_id: str = ""
    """32 hex digits that `whimbrel trace` and Jaeger take; empty when it was not traced."""


class ClientState(enum.Enum):
    """What a client is doing."""

    NEW = "new"
    """`async with` has not been entered."""
    CONNECTING = "connecting"
    """A stream is being opened."""
    ATTACHED = "attached"
    """Messages flow."""
    WAITING = "waiting"
    """The last stream has ended; the next is opened when the backoff is over, or when the
    network comes back."""
    CLOSED = "closed"
    """Left, or ended for good by the server: `send` and `events` say why."""


@dataclass(frozen=True)
class ClientStatistics:
    """The figures of a client."""

    state: ClientState
    attempts: int
    """Streams that were begun."""
    streams: int
    """Streams that were welcomed: 1 when nothing ever went wrong."""
    endpoint: str | None
    """host:port of the last attempt."""
    epoch: int
    """The fencing number of the last Welcome."""
    last_end: str
    """Why the last stream ended, for people; empty when none has."""
    inbox: InboxStatistics
    outbox: OutboxStatistics
    backoff: BackoffStatistics
    heartbeat: HeartbeatPlanStatistics
    moves: MoveStatistics


class ConnectionClosed(Exception):  # noqa: N818 - the name that users of websockets look for
    """The client is at its end and does not come back by itself.

    `code` is the server's CloseCode (SUPERSEDED, BAD_TOKEN, …), or None when this side left the
    context. `detail` is for people. What to do: SUPERSEDED, nothing, the same device runs
    elsewhere; TOKEN_EXPIRED and BAD_TOKEN, connect again with a new token; the others are
    errors in a program.
    """

    def __init__(self, code: CloseCode | None, detail: str) -> None:
        super().__init__(detail if code is None else f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
