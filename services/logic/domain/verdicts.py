"""What the host product is asked about messages before they are stored, and what it may answer.

    -> {"type": "message.before_send", "messages": [{"sender": ..., "text": ...}, ...]}
    <- {"verdicts": [{"action": "allow"},
                     {"action": "reject", "reason": "spam", "detail": "no links, please"},
                     {"action": "change", "text": "..."}]}

One verdict a message, in the order of the messages. An answer with more or fewer is garbage as a
whole: which was meant for which message cannot be known. A verdict that cannot be read is none,
and says nothing about the others.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from services.logic.domain import body_kinds
from services.logic.domain.model import ClientKey
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable

MAX_CHANGED_BYTES = 64 * 1024
MAX_VERDICT_BYTES = 6 * MAX_CHANGED_BYTES + 4096
"""Of one verdict as JSON: JSON may take six bytes for one of a text (\\u0001), and spells detail
and fields besides."""
MAX_DETAIL_CHARACTERS = 200
_REASON = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_KIND_NAMES = {
    body_kinds.TEXT: "text",
    body_kinds.BYTES: "bytes",
    body_kinds.ENCRYPTED: "encrypted",
    body_kinds.SYSTEM: "system",
}


class Question(NamedTuple):
    """One message that somebody wants to send, as the host product hears of it."""

    key: ClientKey
    conversation: str
    body_kind: int
    body: bytes


class Verdict(NamedTuple):
    """What the host product says of one message. Neither field set: it may be stored as it is."""

    refused: WhimbrelError | None = None
    changed: tuple[int, bytes] | None = None
    """(body_kind, body) to store instead."""


ALLOWED = Verdict()


def question_content(questions: Sequence[Question]) -> str:
    """The JSON to send. Bodies are "text" where they are texts, else "base64"."""
    messages = [
        {
            "sender": one.key.sender,
            "device": one.key.device,
            "client_message_id": one.key.client_message_id,
            "conversation": one.conversation,
            "kind": _KIND_NAMES.get(one.body_kind, "unknown"),
            **_body(one),
        }
        for one in questions
    ]
    return json.dumps({"type": "message.before_send", "messages": messages})


def _body(question: Question) -> dict[str, str]:
    if question.body_kind == body_kinds.TEXT:
        try:
            return {"text": question.body.decode()}
        except UnicodeDecodeError:
            pass  # only clients that break the protocol send such texts; the host still sees it
    return {"base64": base64.b64encode(question.body).decode()}


def parse_verdicts(content: bytes, count: int) -> list[Verdict | None]:
    """The verdicts on `count` messages, None for one that cannot be read. Raises UNAVAILABLE when
    it cannot be known which is whose."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise _garbage("it is not JSON") from None
    verdicts = answer.get("verdicts") if isinstance(answer, dict) else None
    if not isinstance(verdicts, list) or len(verdicts) != count:
        raise _garbage(f"it has not {count} verdicts")
    return [_verdict(one) for one in verdicts]


def unchanged(body_kind: int, verdict: Verdict) -> Verdict:
    """The verdict, or a refusal where it would change an encrypted body: nobody but a member can
    write one, and to store a text instead would be to speak in the sender's name."""
    if verdict.changed is None or body_kind != body_kinds.ENCRYPTED:
        return verdict
    return Verdict(
        refused=WhimbrelError(
            ErrorCode.REFUSED_BY_HOST, "encrypted: the host product does not take it as it is"
        )
    )


def _verdict(row: Any) -> Verdict | None:
    action = row.get("action") if isinstance(row, dict) else None
    if action == "allow":
        return ALLOWED
    if action == "reject":
        return _rejected(row)
    if action == "change":
        changed = _changed(row)
        return None if changed is None else Verdict(changed=changed)
    return None


def _rejected(row: dict[str, Any]) -> Verdict | None:
    reason, detail = row.get("reason"), row.get("detail", "")
    if not (isinstance(reason, str) and _REASON.fullmatch(reason) and isinstance(detail, str)):
        return None
    # Half a surrogate pair can stand in JSON, and in no frame of ours.
    shown = detail.encode(errors="replace").decode()[:MAX_DETAIL_CHARACTERS]
    said = f"{reason}: {shown}" if shown else reason
    return Verdict(refused=WhimbrelError(ErrorCode.REFUSED_BY_HOST, said))


def _changed(row: dict[str, Any]) -> tuple[int, bytes] | None:
    text, encoded = row.get("text"), row.get("base64")
    try:
        if isinstance(text, str) and encoded is None:
            kind, body = body_kinds.TEXT, text.encode()
        elif isinstance(encoded, str) and text is None:
            kind, body = body_kinds.BYTES, base64.b64decode(encoded, validate=True)
        else:
            return None
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    return (kind, body) if len(body) <= MAX_CHANGED_BYTES else None


def _garbage(why: str) -> WhimbrelError:
    return unavailable(f"the webhook's answer cannot be used: {why}")
