"""Between the wire and Logic's own nouns."""

from __future__ import annotations

from typing import Final

from services.logic.domain.model import (
    ClientKey,
    Draft,
    ReadReceipt,
    SendTrace,
    StoredMessage,
    TimelineEntry,
)
from services.logic.usecases.read_timeline import Page
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import signals_pb2, types_pb2
from whimbrel.core.attributes import PLAIN
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.revocations import Revocation
from whimbrel.core.traceparent import is_followed
from whimbrel.wire import attributes_of, attributes_to_wire

MAX_RETRY_AFTER_MS: Final = 0xFFFF_FFFF
"""What the field holds: 49 days."""


def draft_of(send: logic_pb2.SendRequest, trace: SendTrace | None = None) -> Draft:
    """The draft that Access has checked for form."""
    key = ClientKey(send.sender_id, send.sender_device_id, send.client_message_id)
    attributes = attributes_of(send.attributes) if send.HasField("attributes") else PLAIN
    return Draft(key, send.conversation_id, send.body.kind, send.body.content, attributes, trace)


def message_to_wire(message: StoredMessage) -> types_pb2.Message:
    """A stored message as clients see it."""
    wired = types_pb2.Message(
        message_id=message.message_id,
        conversation_id=message.conversation,
        sender_id=message.key.sender,
        sender_device_id=message.key.device,
        client_message_id=message.key.client_message_id,
        body=types_pb2.Body(
            kind=types_pb2.BodyKind.ValueType(message.body_kind), content=message.body
        ),
        sent_at_ms=message.sent_at_ms,
        recalled_by=message.recalled_by,
        edited_by=message.edited_by,
    )
    if message.attributes:
        wired.attributes.CopyFrom(attributes_to_wire(message.attributes))
    return wired


def message_bytes(message: StoredMessage) -> bytes:
    """The same, serialized: what the message cache keeps."""
    return message_to_wire(message).SerializeToString()


def entry_to_wire(entry: TimelineEntry, message: StoredMessage | None) -> types_pb2.Entry:
    """A timeline entry with its message; a void has none."""
    if message is None:
        return types_pb2.Entry(seq=entry.seq)
    wired = types_pb2.Entry(seq=entry.seq, message=message_to_wire(message), late=entry.late)
    if message.traceparent and is_followed(
        message.message_id, entry.user, len(message.participants)
    ):
        wired.traceparent = message.traceparent
    return wired


def page_to_wire(page: Page) -> list[types_pb2.Entry]:
    """The entries of a page."""
    return [entry_to_wire(entry, message) for entry, message in page.entries]


def read_to_wire(receipt: ReadReceipt) -> signals_pb2.ReadReceipt:
    """How far somebody has read."""
    return signals_pb2.ReadReceipt(
        conversation_id=receipt.conversation,
        user_id=receipt.user,
        message_id=receipt.message_id,
    )


def refused_to_wire(error: WhimbrelError) -> logic_pb2.Refused:
    """A refusal with its stable code."""
    return logic_pb2.Refused(
        code=types_pb2.ErrorCode.ValueType(error.code),
        detail=error.detail,
        retry_after_ms=min(MAX_RETRY_AFTER_MS, int((error.retry_after_seconds or 0) * 1000)),
        outcome_unknown=error.outcome_unknown,
    )


def revocation_to_wire(one: Revocation) -> logic_pb2.Revocation:
    """A revocation."""
    return logic_pb2.Revocation(
        user_id=one.user_id,
        at_ms=round(one.at * 1000),
        until_ms=round(one.until * 1000),
        device_id=one.device_id,
        login_id=one.login_id,
        but_login_id=one.but_login_id,
    )
