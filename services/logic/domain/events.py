"""What the host product hears of messages, of receipts and of who is there.

Events of one conversation are in one order, so each has a number: a message its message_id, a
receipt the id that a message would get at that moment, and never at or below that of its message.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from services.logic.domain import body_kinds
from services.logic.domain.model import StoredMessage
from services.logic.domain.signals import Signal, SignalKind
from whimbrel.core.host_events import EventKind
from whimbrel.core.ids import compose


class HostEvent(NamedTuple):
    """One event, as it waits for its delivery."""

    event_id: str
    """The same for the same message for ever: the receiver knows a repetition by it."""
    key: str
    """The conversation, or the user of whose presence it is: events of one key are delivered in
    their order."""
    order: int
    """Lower ones of the key are delivered first."""
    at_ms: int
    """Unix milliseconds of what happened."""
    content: str
    """JSON, as it is delivered."""


def kind_of(message: StoredMessage) -> EventKind:
    """What a stored message is to the host product."""
    is_change = message.body_kind == body_kinds.SYSTEM
    return EventKind.GROUP_CHANGED if is_change else EventKind.MESSAGE_SENT


def events_of(messages: Sequence[StoredMessage], *, with_bodies: bool) -> list[HostEvent]:
    """One event a message: message.sent, or group.changed for a system message. A body is in it
    only `with_bodies`; what a group change says is no body."""
    return [_event(one, with_bodies) for one in messages]


def _event(message: StoredMessage, with_bodies: bool) -> HostEvent:
    kind = kind_of(message)
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
    if kind is EventKind.GROUP_CHANGED:
        row["change"] = message.body.decode("utf-8", errors="replace")
    elif with_bodies:
        row["base64"] = base64.b64encode(message.body).decode()
    return HostEvent(
        event_id, message.conversation, message.message_id, message.sent_at_ms, json.dumps(row)
    )


RECEIPT_KINDS = {
    SignalKind.DELIVERED: EventKind.MESSAGE_DELIVERED,
    SignalKind.READ: EventKind.MESSAGE_READ,
}
_PLACE = {SignalKind.DELIVERED: 1, SignalKind.READ: 2}
"""Of the same moment, what is delivered comes before what is read."""


def receipt_event(receipt: Signal, at_ms: int) -> HostEvent:
    """message.delivered or message.read: the user, or a device of the user, has everything of the
    conversation up to the message. Which device is not said, so that two of them say the same."""
    kind = RECEIPT_KINDS[receipt.kind]
    event_id = f"{receipt.message_id}.{receipt.user}.{kind}"
    row = {
        "id": event_id,
        "type": kind,
        "at_ms": at_ms,
        "conversation": receipt.conversation,
        "message_id": str(receipt.message_id),
        "user": receipt.user,
    }
    order = max(compose(at_ms, 0, 0), receipt.message_id) + _PLACE[receipt.kind]
    return HostEvent(event_id, receipt.conversation, order, at_ms, json.dumps(row))
