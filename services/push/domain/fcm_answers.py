"""What Firebase Cloud Messaging (HTTP v1) answers, and what it means for us.

Source: Google, "FCM error codes" (the enum ErrorCode of google.firebase.fcm.v1) and "Scale FCM":
after 429 a minute without a Retry-After, after 5xx exponential backoff.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from services.push.domain.outcomes import DELIVERED, Outcome, Result

QUOTA_SECONDS: Final = 60.0
UNAUTHENTICATED: Final = "UNAUTHENTICATED"


class FcmError(NamedTuple):
    """What an error document says; empty where it says nothing."""

    code: str = ""
    """FCM's own errorCode; else the status of Google's APIs."""
    is_about_token: bool = False
    """A field violation names the token."""


def read_fcm_error(body: bytes) -> FcmError:
    """The error in an answer; an empty one for what is no error document."""
    try:
        said = json.loads(body)
        error: dict[str, Any] = said["error"]
        details = [one for one in error.get("details", ()) if isinstance(one, dict)]
        own = [one["errorCode"] for one in details if isinstance(one.get("errorCode"), str)]
        fields = [
            violation.get("field")
            for one in details
            for violation in one.get("fieldViolations", ())
        ]
        code = own[0] if own else error.get("status", "")
        return FcmError(str(code)[:60], "message.token" in fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return FcmError()


def fcm_outcome(status: int, error: FcmError, retry_after: float | None) -> Outcome:
    """The outcome of an answer."""
    if status == 200:
        return DELIVERED
    said = error.code or f"status {status}"
    if status >= 500 or status < 400:
        if status == 503 and retry_after is not None:
            return Outcome(Result.UNAVAILABLE, said, retry_after)
        return Outcome(Result.RETRY, said, retry_after, suffers=True)
    if status == 429:  # QUOTA_EXCEEDED: of the project, of the device or of its topic
        return Outcome(Result.UNAVAILABLE, said, retry_after or QUOTA_SECONDS)
    if error.code == UNAUTHENTICATED:
        return Outcome(Result.RETRY, said, suffers=True)  # the adapter gets another token
    return Outcome(_refusal(status, error), said)


def _refusal(status: int, error: FcmError) -> Result:
    is_dead = error.code == "UNREGISTERED" or (
        error.code == "INVALID_ARGUMENT" and error.is_about_token
    )
    if is_dead:
        return Result.DEAD_TOKEN
    if status == 403 and error.code != "SENDER_ID_MISMATCH":
        return Result.UNAVAILABLE
    # INVALID_ARGUMENT, SENDER_ID_MISMATCH, THIRD_PARTY_AUTH_ERROR: this one never passes. A 404
    # without FCM's word for it is a wrong project or host, and no reason to forget a token.
    return Result.REFUSED
