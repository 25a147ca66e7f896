"""What is asked and what may be answered: everything else is garbage, and said to be."""

from __future__ import annotations

import json

import pytest

from services.logic.domain.model import ClientKey
from services.logic.domain.verdicts import (
    MAX_CHANGED_BYTES,
    MAX_DETAIL_CHARACTERS,
    MAX_VERDICT_BYTES,
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
    assert rejected is not None
    assert text is not None
    assert encoded is not None
    assert rejected.refused is not None
    assert rejected.refused.code is ErrorCode.REFUSED_BY_HOST
    assert rejected.refused.detail == "spam: no links"
    assert rejected.refused.retry_after_seconds is None
    assert text.changed == (1, b"***")
    assert encoded.changed == (2, b"\x00\xff")


def test_a_long_detail_is_cut() -> None:
    content = answered({"action": "reject", "reason": "spam", "detail": "x" * 10_000})
    (rejected,) = parse_verdicts(content, 1)
    assert rejected is not None
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
    ],
    ids=range(8),
)
def test_an_answer_of_which_nobody_knows_which_verdict_is_whose_is_garbage(content: bytes) -> None:
    with pytest.raises(WhimbrelError) as caught:
        parse_verdicts(content, 1)
    assert caught.value.code is ErrorCode.UNAVAILABLE


@pytest.mark.parametrize(
    "verdict",
    [
        b'"allow"',
        b'{"action": "maybe"}',
        b'{"action": "reject"}',
        b'{"action": "reject", "reason": "Not A Word"}',
        b'{"action": "reject", "reason": "spam", "detail": 7}',
        b'{"action": "change"}',
        b'{"action": "change", "text": "a", "base64": "AP8="}',
        b'{"action": "change", "base64": "not base64!"}',
        '{"action": "change", "base64": "ü"}'.encode(),
        b'{"action": "change", "text": "\\ud800"}',
        b'{"action": "change", "text": "' + b"x" * (MAX_CHANGED_BYTES + 1) + b'"}',
    ],
    ids=range(11),
)
def test_a_verdict_that_cannot_be_read_is_none_and_says_nothing_of_the_others(
    verdict: bytes,
) -> None:
    content = b'{"verdicts": [{"action": "allow"}, %s, {"action": "reject", "reason": "spam"}]}'
    before, unreadable, after = parse_verdicts(content % verdict, 3)
    assert before == (None, None)
    assert unreadable is None
    assert after is not None
    assert after.refused is not None


def test_the_longest_changes_fit_into_an_answer() -> None:
    worst = answered({"action": "change", "text": "\x01" * MAX_CHANGED_BYTES})
    assert len(worst) <= MAX_VERDICT_BYTES
    (changed,) = parse_verdicts(worst, 1)
    assert changed is not None
    assert changed.changed is not None


def test_a_detail_that_no_frame_can_carry_is_made_one_that_it_can() -> None:
    content = b'{"verdicts": [{"action": "reject", "reason": "spam", "detail": "a \\ud800 b"}]}'
    (verdict,) = parse_verdicts(content, 1)
    assert verdict is not None
    assert verdict.refused is not None
    assert refused_to_wire(verdict.refused).detail == "spam: a ? b"
