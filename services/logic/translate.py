"""Between the wire and Logic's own nouns."""

from __future__ import annotations

from typing import Final, Protocol

from services.logic.domain.model import (
    ClientKey,
    Draft,
    ReadReceipt,
    SendTrace,
    StoredMessage,
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


class WiredEntries(Protocol):
    """The entries of a result in a frame."""

    def add(self, *, seq: int) -> types_pb2.Entry:
        """One more, at the end."""
        ...


def draft_of(send: logic_pb2.SendRequest, trace: SendTrace | None = None) -> Draft:
    """The draft that Access has checked for form."""
    key = ClientKey(send.sender_id, send.sender_device_id, send.client_message_id)
    attributes = attributes_of(send.attributes) if send.HasField("attributes") else PLAIN
    return Draft(key, send.conversation_id, send.body.kind, send.body.content, attributes, trace)


def fill_message(wired: types_pb2.Message, message: StoredMessage) -> None:
    """Say in `wired`, which is empty, what a client sees of a stored message. In its place in a
    frame: a message that is made apart and then put there is copied with all that it says."""
    key = message.key
    wired.message_id = message.message_id
    wired.conversation_id = message.conversation
    wired.sender_id = key.sender
    wired.sender_device_id = key.device
    wired.client_message_id = key.client_message_id
    body = wired.body
    body.kind = types_pb2.BodyKind.ValueType(message.body_kind)
    body.content = message.body
    wired.sent_at_ms = message.sent_at_ms
    if message.recalled_by:
        wired.recalled_by = message.recalled_by
    if message.edited_by:
        wired.edited_by = message.edited_by
    if message.attributes:
        wired.attributes.CopyFrom(attributes_to_wire(message.attributes))


def message_bytes(message: StoredMessage) -> bytes:
    """A stored message as clients see it, serialized: what the message cache keeps."""
    wired = types_pb2.Message()
    fill_message(wired, message)
    return wired.SerializeToString()


def fill_entries(entries: WiredEntries, page: Page) -> list[int]:
    """Say the entries of a page in their place in a frame; a void has no message. Return the seqs
    whose message cannot be said, because its row is no message's: they are voids there."""
    unsaid: list[int] = []
    for entry, message in page.entries:
        wired = entries.add(seq=entry.seq)
        if message is None:
            continue
        try:
            fill_message(wired.message, message)
        except (TypeError, ValueError):
            wired.ClearField("message")
            unsaid.append(entry.seq)
            continue
        if entry.late:
            wired.late = True
        if message.traceparent and is_followed(
            message.message_id, entry.user, len(message.participants)
        ):
            wired.traceparent = message.traceparent
    return unsaid


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
