"""Between the generated types and those of the core, where conversion is worth its cost.

Received messages are not converted: the core takes them as they come. No I/O here.
"""

from __future__ import annotations

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.attributes import PLAIN, Attributes, ForwardedFrom
from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError
from whimbrel.core.outgoing import Outgoing


def outgoing_message(message: Outgoing, *, resend: bool) -> access_pb2.OutgoingMessage:
    """A message as a Send carries it."""
    sent = access_pb2.OutgoingMessage(
        client_message_id=message.client_message_id,
        body=types_pb2.Body(kind=types_pb2.BodyKind.ValueType(message.kind), content=message.body),
        resend=resend,
        traceparent=message.traceparent,
    )
    if message.attributes:
        sent.attributes.CopyFrom(attributes_to_wire(message.attributes))
        if message.attributes.recalls:
            sent.ClearField("body")
    if message.conversation_id is not None:
        sent.conversation_id = message.conversation_id
    elif message.recipient_id is not None:
        sent.recipient_id = message.recipient_id
    return sent


def attributes_to_wire(attributes: Attributes) -> types_pb2.Attributes:
    """Attributes as a message carries them."""
    wired = types_pb2.Attributes(
        reply_to=attributes.reply_to,
        mentions=attributes.mentions,
        mentions_all=attributes.mentions_all,
        recalls=attributes.recalls,
        edits=attributes.edits,
        media_id=attributes.media_id,
    )
    source = attributes.forwarded_from
    if source is not None:
        wired.forwarded_from.message_id = source.message_id
        wired.forwarded_from.conversation_id = source.conversation_id
        wired.forwarded_from.sender_id = source.sender_id
    return wired


def attributes_of(wired: types_pb2.Attributes) -> Attributes:
    """The attributes that a message carries; PLAIN when they say nothing."""
    if not wired.ByteSize():
        return PLAIN
    source = None
    if wired.HasField("forwarded_from"):
        said = wired.forwarded_from
        source = ForwardedFrom(said.message_id, said.conversation_id, said.sender_id)
    return Attributes(
        wired.reply_to,
        source,
        tuple(wired.mentions),
        wired.mentions_all,
        wired.recalls,
        wired.edits,
        wired.media_id,
    )


def rejection(message: access_pb2.RejectedMessage) -> WhimbrelError:
    """Why a message was refused; retry_after_seconds is None when trying again does not help."""
    return WhimbrelError(
        error_code(message.code),
        message.detail,
        retry_after_seconds=message.retry_after_ms / 1000 if message.retry_after_ms else None,
        outcome_unknown=message.outcome_unknown,
    )


def error_code(number: int) -> ErrorCode:
    """The code with this number; INTERNAL for one that a newer server has invented."""
    try:
        return ErrorCode(number)
    except ValueError:
        return ErrorCode.INTERNAL


def close_code(number: int) -> CloseCode:
    """The code with this number; one that a newer server has invented acts by its range."""
    try:
        return CloseCode(number)
    except ValueError:
        if number >= 200:
            return CloseCode.UNSUPPORTED_VERSION
        return CloseCode.SEQ_AHEAD if number >= 100 else CloseCode.INTERNAL
