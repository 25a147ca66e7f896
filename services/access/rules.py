"""The rules that a client's frames must keep. Pure checks; each raises what the client is told."""

from __future__ import annotations

import json
from typing import Final

from services.access.frames import MAX_FRAME_BYTES
from services.access.refusals import StreamRefusedError
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.attributes import PLAIN
from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError, invalid
from whimbrel.core.names import (
    check_name,
    check_platform,
    direct_conversation,
    direct_participants,
)
from whimbrel.wire import attributes_of

PROTOCOL_VERSION: Final = 1
_MAX_CLIENT_LENGTH: Final = 64
_BODY_KINDS: Final = frozenset(
    (types_pb2.BODY_KIND_TEXT, types_pb2.BODY_KIND_BYTES, types_pb2.BODY_KIND_ENCRYPTED)
)


def frame_kind(frame: access_pb2.ConnectRequest) -> str:
    """Which field of the oneof is set; raises FRAME_TOO_LARGE or UNKNOWN_FRAME."""
    size = frame.ByteSize()
    if size > MAX_FRAME_BYTES:
        raise StreamRefusedError(
            CloseCode.FRAME_TOO_LARGE, f"a frame of {size} bytes; {MAX_FRAME_BYTES} are allowed"
        )
    kind = frame.WhichOneof("frame")
    if kind is None:
        raise StreamRefusedError(
            CloseCode.UNKNOWN_FRAME, "an empty frame, or one that this version does not have"
        )
    return kind


def check_hello(hello: access_pb2.Hello) -> None:
    """Version and names of a Hello; the token is checked elsewhere."""
    if hello.protocol_version != PROTOCOL_VERSION:
        raise StreamRefusedError(
            CloseCode.UNSUPPORTED_VERSION,
            f"protocol_version must be {PROTOCOL_VERSION}, not {hello.protocol_version}",
        )
    try:
        check_name(hello.device_id, "device_id")
        check_name(hello.instance_id, "instance_id")
        check_platform(hello.platform)
        if hello.attempt < 1:
            raise invalid("attempt counts from 1")
        if len(hello.client) > _MAX_CLIENT_LENGTH:
            raise invalid(f"client has more than {_MAX_CLIENT_LENGTH} characters")
    except WhimbrelError as error:
        raise StreamRefusedError(CloseCode.INVALID_FRAME, error.detail) from None


def _recall_body(message_id: int) -> types_pb2.Body:
    """What a client that knows no attributes sees of a recall."""
    said = {"type": "recall", "message_id": str(message_id)}
    return types_pb2.Body(kind=types_pb2.BODY_KIND_SYSTEM, content=json.dumps(said).encode())


def conversation_of(
    message: access_pb2.OutgoingMessage, sender_id: str, max_body_bytes: int
) -> str:
    """Where a message goes; raises the WhimbrelError with which it is rejected. A recall gets
    its body here, the same at each resend."""
    check_name(message.client_message_id, "client_message_id")
    attributes = PLAIN
    if message.HasField("attributes"):  # of few messages
        attributes = attributes_of(message.attributes)
        attributes.check()
    if attributes.recalls:
        if message.HasField("body"):
            raise invalid("a recall has no body")
        message.body.CopyFrom(_recall_body(attributes.recalls))
    elif message.body.kind not in _BODY_KINDS:
        raise invalid("body.kind must be text, bytes or encrypted")
    size = len(message.body.content)
    if size > max_body_bytes:
        raise WhimbrelError(
            ErrorCode.BODY_TOO_LARGE, f"a body of {size} bytes; {max_body_bytes} are allowed"
        )
    target = message.WhichOneof("target")
    if target == "recipient_id":
        return direct_conversation(sender_id, check_name(message.recipient_id, "recipient_id"))
    if target == "conversation_id":
        direct_participants(message.conversation_id)
        return message.conversation_id
    raise invalid("either conversation_id or recipient_id must be set")
