"""What the host product hears of a message that was stored."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from services.logic.domain import body_kinds
from services.logic.domain.model import StoredMessage


class HostEvent(NamedTuple):
    """One event, as it waits for its delivery."""

    event_id: str
    """The same for the same message for ever: the receiver knows a repetition by it."""
    key: str
    """The conversation: events of one key are delivered in the order of their message_id."""
    order: int
    """The message_id."""
    at_ms: int
    """Unix milliseconds of the message."""
    content: str
    """JSON, as it is delivered."""


def events_of(messages: Sequence[StoredMessage], *, with_bodies: bool) -> list[HostEvent]:
    """One event a message: message.sent, or group.changed for a system message. A body is in it
    only `with_bodies`; what a group change says is no body."""
    return [_event(one, with_bodies) for one in messages]


def _event(message: StoredMessage, with_bodies: bool) -> HostEvent:
    is_change = message.body_kind == body_kinds.SYSTEM
    kind = "group.changed" if is_change else "message.sent"
    event_id = f"{message.message_id}.{kind}"
    row: dict[str, Any] = {
        "id": event_id,
        "type": kind,
        "at_ms": message.sent_at_ms,
        "conversation": message.conversation,
        "message_id": str(message.message_id),  # a JSON number may lose its last digits
        "sender": message.key.sender,
        "client_message_id": message.key.client_message_id,
    }
    if is_change:
        row["change"] = message.body.decode("utf-8", errors="replace")
    elif with_bodies:
        row["base64"] = base64.b64encode(message.body).decode()
    return HostEvent(
        event_id, message.conversation, message.message_id, message.sent_at_ms, json.dumps(row)
    )
