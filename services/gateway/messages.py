"""Messages as JSON: what Logic answers in protobuf, for everybody who reads over HTTP.

Built as plain values and written out at once, without a model for each message: an answer may
have thousands, and a model costs ten times the rest. `MessageAnswer` is what OpenAPI shows, and a
test holds both together.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Any, Literal

from fastapi.responses import Response
from pydantic import BaseModel
from pydantic_core import to_json

from whimbrel.api.types.v1 import types_pb2


class ForwardedFromAnswer(BaseModel):
    """The message of which another one is a copy."""

    message_id: str
    conversation_id: str
    sender_id: str
    """Who said it first."""


class MessageAnswer(BaseModel):
    """A message in the caller's timeline."""

    message_id: str
    conversation_id: str
    seq: str
    """Its place in the caller's timeline."""
    sender_id: str
    sender_device_id: str
    client_message_id: str
    kind: Literal["text", "bytes", "encrypted", "system", "other"]
    text: str | None
    """Of text and system messages; null for others."""
    content: str | None
    """Of others, in base64; null for those with a text."""
    sent_at_ms: int
    reply_to: str | None
    """The message_id that it answers; null for none, as below."""
    forwarded_from: ForwardedFromAnswer | None
    mentions: list[str] | None
    """Members who are meant."""
    mentions_all: bool | None
    """True: everybody is meant."""
    recalls: str | None
    """The message_id that it takes back."""
    edits: str | None
    """The message_id whose body it replaces."""
    media_id: str | None
    """The medium that it shows: GET /v1/media/{media_id}."""
    recalled_by: str | None
    """The message_id of the recall; the body is empty then."""
    edited_by: str | None
    """The message_id of the newest edit; the body is that edit's then."""


def entry_json(entry: types_pb2.Entry) -> dict[str, Any]:
    """A MessageAnswer as plain values."""
    message = entry.message
    body = message.body
    content = body.content
    kind = _KIND_OF.get(body.kind, "other")
    has_text = kind in _WITH_TEXT
    return {
        "message_id": str(message.message_id),
        "conversation_id": message.conversation_id,
        "seq": str(entry.seq),
        "sender_id": message.sender_id,
        "sender_device_id": message.sender_device_id,
        "client_message_id": message.client_message_id,
        "kind": kind,
        "text": content.decode("utf-8", errors="replace") if has_text else None,
        "content": None if has_text else b64encode(content).decode(),
        "sent_at_ms": message.sent_at_ms,
        **(_attributes(message.attributes) if message.HasField("attributes") else _PLAIN),
        "recalled_by": _id(message.recalled_by),
        "edited_by": _id(message.edited_by),
    }


def entries_json(entries: Iterable[types_pb2.Entry]) -> list[dict[str, Any]]:
    """The same for many."""
    return [entry_json(entry) for entry in entries]


def json_response(content: Any) -> Response:
    """An answer of plain values, as they are."""
    return Response(to_json(content), media_type="application/json")


def _attributes(attributes: types_pb2.Attributes) -> dict[str, Any]:
    source = attributes.forwarded_from
    return {
        "reply_to": _id(attributes.reply_to),
        "forwarded_from": {
            "message_id": str(source.message_id),
            "conversation_id": source.conversation_id,
            "sender_id": source.sender_id,
        }
        if attributes.HasField("forwarded_from")
        else None,
        "mentions": list(attributes.mentions) or None,
        "mentions_all": attributes.mentions_all or None,
        "recalls": _id(attributes.recalls),
        "edits": _id(attributes.edits),
        "media_id": attributes.media_id or None,
    }


def _id(message_id: int) -> str | None:
    return str(message_id) if message_id else None


_PLAIN = _attributes(types_pb2.Attributes())
"""What nearly every message says: nothing."""
_WITH_TEXT = {"text", "system"}
_KINDS = {"text", "bytes", "encrypted", "system"}
_KIND_OF = {
    number: name
    for number, value in types_pb2.BodyKind.DESCRIPTOR.values_by_number.items()
    if (name := value.name.removeprefix("BODY_KIND_").lower()) in _KINDS
}
