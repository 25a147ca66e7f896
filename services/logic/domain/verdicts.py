"""What the host product is asked about messages before they are stored, and what it may answer.

    -> {"type": "message.before_send", "messages": [{"sender": ..., "text": ...}, ...]}
    <- {"verdicts": [{"action": "allow"},
                     {"action": "reject", "reason": "spam", "detail": "no links, please"},
                     {"action": "change", "text": "..."}]}

One verdict a message, in the order of the messages. An answer with anything else in it is
garbage as a whole: half of it may have been meant for other messages.
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


def parse_verdicts(content: bytes, count: int) -> list[Verdict]:
    """The verdicts on `count` messages. Raises UNAVAILABLE when the answer is garbage."""
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


def _verdict(row: Any) -> Verdict:
    action = row.get("action") if isinstance(row, dict) else None
    if action == "allow":
        return ALLOWED
    if action == "reject":
        reason, detail = row.get("reason"), row.get("detail", "")
        if not (isinstance(reason, str) and _REASON.fullmatch(reason) and isinstance(detail, str)):
            raise _garbage("a reason must be a lower-case word")
        # Half a surrogate pair can stand in JSON, and in no frame of ours.
        shown = detail.encode(errors="replace").decode()[:MAX_DETAIL_CHARACTERS]
        said = f"{reason}: {shown}" if shown else reason
        return Verdict(refused=WhimbrelError(ErrorCode.REFUSED_BY_HOST, said))
    if action == "change":
        return Verdict(changed=_changed(row))
    raise _garbage("an action is allow, reject or change")


def _changed(row: dict[str, Any]) -> tuple[int, bytes]:
    text, encoded = row.get("text"), row.get("base64")
    try:
        if isinstance(text, str) and encoded is None:
            kind, body = body_kinds.TEXT, text.encode()
        elif isinstance(encoded, str) and text is None:
            kind, body = body_kinds.BYTES, base64.b64decode(encoded, validate=True)
        else:
            raise _garbage("a change has either text or base64")
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise _garbage("a changed body cannot be read") from None
    if len(body) > MAX_CHANGED_BYTES:
        raise _garbage("a changed body is too long")
    return kind, body


def _garbage(why: str) -> WhimbrelError:
    return unavailable(f"the webhook's answer cannot be used: {why}")
