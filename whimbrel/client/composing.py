"""From the arguments of a call to the message that goes out."""

from __future__ import annotations

import secrets
from dataclasses import replace

from whimbrel.core.attributes import Attributes
from whimbrel.core.names import check_name
from whimbrel.core.outgoing import BodyKind, Outgoing


def compose(
    body: str | bytes,
    encrypted: bool,
    attributes: Attributes,
    media_id: str,
    client_message_id: str | None,
    traceparent: str,
    *,
    conversation_id: str | None = None,
    recipient_id: str | None = None,
) -> Outgoing:
    """One message to a conversation or to a user; the arguments are those of Client.send.

    Raises WhimbrelError INVALID_ARGUMENT for what no server would take.
    """
    if client_message_id is None:
        client_message_id = secrets.token_hex(16)
    else:
        check_name(client_message_id, "client_message_id")
    kind = BodyKind.ENCRYPTED if encrypted else BodyKind.BYTES
    if isinstance(body, str):
        kind, body = (kind if encrypted else BodyKind.TEXT), body.encode()
    if media_id:
        attributes = replace(attributes, media_id=media_id)
    return Outgoing(
        client_message_id,
        kind,
        bytes(body),
        conversation_id,
        recipient_id,
        attributes,
        traceparent,
    )
