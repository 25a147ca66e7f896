"""A message over HTTP is shown as OpenAPI says, with all that it says beside its body."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.messages import MessageAnswer, entry_json
from whimbrel.api.types.v1 import types_pb2

CHAT = "d:alice:bob"
BESIDE = [
    "reply_to",
    "forwarded_from",
    "mentions",
    "mentions_all",
    "recalls",
    "edits",
    "media_id",
    "recalled_by",
    "edited_by",
]
BIG = (1 << 63) - 1


@pytest.mark.parametrize(
    ("attributes", "by", "shown"),
    [
        (types_pb2.Attributes(reply_to=BIG), {}, {"reply_to": str(BIG)}),
        (
            types_pb2.Attributes(
                forwarded_from=types_pb2.ForwardedFrom(
                    message_id=BIG, conversation_id=CHAT, sender_id="alice"
                )
            ),
            {},
            {
                "forwarded_from": {
                    "message_id": str(BIG),
                    "conversation_id": CHAT,
                    "sender_id": "alice",
                }
            },
        ),
        (
            types_pb2.Attributes(mentions=["bob", "carol"], mentions_all=True),
            {},
            {"mentions": ["bob", "carol"], "mentions_all": True},
        ),
        (types_pb2.Attributes(recalls=BIG), {}, {"recalls": str(BIG)}),
        (types_pb2.Attributes(edits=BIG), {}, {"edits": str(BIG)}),
        (types_pb2.Attributes(media_id="cafe"), {}, {"media_id": "cafe"}),
        (None, {"recalled_by": BIG}, {"recalled_by": str(BIG)}),
        (None, {"edited_by": BIG}, {"edited_by": str(BIG)}),
    ],
)
def test_what_a_message_says_beside_its_body_is_shown_and_what_is_absent_is_null(
    attributes: types_pb2.Attributes | None, by: dict[str, Any], shown: dict[str, Any]
) -> None:
    message = types_pb2.Message(message_id=1, attributes=attributes, **by)
    told = entry_json(types_pb2.Entry(seq=1, message=message))
    assert MessageAnswer.model_validate(told, strict=True).model_dump() == told
    assert {name: told[name] for name in BESIDE} == dict.fromkeys(BESIDE) | shown


@pytest.mark.parametrize(
    ("kind", "content", "shown"),
    [
        (
            types_pb2.BODY_KIND_TEXT,
            "grüße \u2028 \U0001f426".encode(),
            ("grüße \u2028 \U0001f426", None),
        ),
        (types_pb2.BODY_KIND_TEXT, b"\xff\xed\xa0\x80", ("\ufffd" * 4, None)),
        (types_pb2.BODY_KIND_ENCRYPTED, b"\xff\x00", (None, "/wA=")),
        (types_pb2.BODY_KIND_UNSPECIFIED, b"", (None, "")),
    ],
)
def test_a_message_is_shown_as_openapi_says(
    kind: types_pb2.BodyKind.ValueType, content: bytes, shown: tuple[str | None, str | None]
) -> None:
    message = types_pb2.Message(
        message_id=(1 << 63) - 1, body=types_pb2.Body(kind=kind, content=content)
    )
    told = entry_json(types_pb2.Entry(seq=1 << 40, message=message))
    assert MessageAnswer.model_validate(told, strict=True).model_dump() == told
    assert {told[name] for name in BESIDE} == {None}
    assert (told["text"], told["content"]) == shown
    assert (told["message_id"], told["seq"]) == ("9223372036854775807", "1099511627776")
