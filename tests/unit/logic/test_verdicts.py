"""What is asked and what may be answered: everything else is garbage, and said to be."""

from __future__ import annotations

import json

import pytest

from services.logic.domain.model import ClientKey
from services.logic.domain.verdicts import (
    MAX_CHANGED_BYTES,
    MAX_DETAIL_CHARACTERS,
    Question,
    parse_verdicts,
    question_content,
)
from services.logic.translate import refused_to_wire
from whimbrel.core.errors import ErrorCode, WhimbrelError

KEY = ClientKey("alice", "phone", "c1")


def answered(*verdicts: object) -> bytes:
    return json.dumps({"verdicts": verdicts}).encode()


def test_a_text_is_asked_about_as_text_and_all_else_as_base64() -> None:
    questions = [
        Question(KEY, "d:alice:bob", 1, "grüß dich".encode()),
        Question(KEY, "d:alice:bob", 2, b"\x00\xff"),
        Question(KEY, "d:alice:bob", 1, b"\xff no text"),
    ]
    first, second, third = json.loads(question_content(questions))["messages"]
    assert first == {
        "sender": "alice",
        "device": "phone",
        "client_message_id": "c1",
        "conversation": "d:alice:bob",
        "kind": "text",
        "text": "grüß dich",
    }
    assert (second["kind"], second["base64"]) == ("bytes", "AP8=")
    assert "text" not in third
    assert "base64" in third


def test_the_verdicts_are_in_the_order_of_the_messages() -> None:
    content = answered(
        {"action": "allow"},
        {"action": "reject", "reason": "spam", "detail": "no links"},
        {"action": "change", "text": "***"},
        {"action": "change", "base64": "AP8="},
    )
    allowed, rejected, text, encoded = parse_verdicts(content, 4)
    assert allowed == (None, None)
    assert rejected.refused is not None
    assert rejected.refused.code is ErrorCode.REFUSED_BY_HOST
    assert rejected.refused.detail == "spam: no links"
    assert rejected.refused.retry_after_seconds is None
    assert text.changed == (1, b"***")
    assert encoded.changed == (2, b"\x00\xff")


def test_a_long_detail_is_cut() -> None:
    content = answered({"action": "reject", "reason": "spam", "detail": "x" * 10_000})
    (rejected,) = parse_verdicts(content, 1)
    assert rejected.refused is not None
    assert len(rejected.refused.detail) == len("spam: ") + MAX_DETAIL_CHARACTERS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"<html>502</html>",
        b"[]",
        b'{"verdicts": {}}',
        answered(),
        answered({"action": "allow"}, {"action": "allow"}),
        answered("allow"),
        answered({"action": "maybe"}),
        answered({"action": "reject"}),
        answered({"action": "reject", "reason": "Not A Word"}),
        answered({"action": "reject", "reason": "spam", "detail": 7}),
        answered({"action": "change"}),
        answered({"action": "change", "text": "a", "base64": "AP8="}),
        answered({"action": "change", "base64": "not base64!"}),
        answered({"action": "change", "base64": "ü"}),
        b'{"verdicts": [{"action": "change", "text": "\\ud800"}]}',
        answered({"action": "change", "text": "x" * (MAX_CHANGED_BYTES + 1)}),
    ],
    ids=range(19),
)
def test_anything_else_is_garbage(content: bytes) -> None:
    with pytest.raises(WhimbrelError) as caught:
        parse_verdicts(content, 1)
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_a_detail_that_no_frame_can_carry_is_made_one_that_it_can() -> None:
    content = b'{"verdicts": [{"action": "reject", "reason": "spam", "detail": "a \\ud800 b"}]}'
    (verdict,) = parse_verdicts(content, 1)
    assert verdict.refused is not None
    assert refused_to_wire(verdict.refused).detail == "spam: a ? b"
