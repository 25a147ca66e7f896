"""The one error type that crosses Whimbrel's edges, and the codes that the world may rely on.

The numbers are those of `whimbrel.api.types.v1.ErrorCode` and
`whimbrel.api.access.v1.CloseCode`; a test holds them together.
"""

from __future__ import annotations

import enum


class ErrorCode(enum.IntEnum):
    """Why something was refused. Stable for ever."""

    INTERNAL = 1
    UNAVAILABLE = 2
    UNAUTHENTICATED = 3
    TOKEN_EXPIRED = 4
    INVALID_ARGUMENT = 5
    BODY_TOO_LARGE = 6
    UNKNOWN_CONVERSATION = 7
    NOT_A_MEMBER = 8
    ID_REUSED = 9
    OVERLOADED = 10
    STALE_EPOCH = 11
    SEQ_AHEAD = 12
    NOT_FOUND = 13
    DEADLINE_EXCEEDED = 14
    PERMISSION_DENIED = 15
    BANNED = 16
    MUTED = 17
    BLOCKED = 18
    NOT_FRIENDS = 19
    FORBIDDEN_WORDS = 20
    AT_RISK = 21
    GROUP_FULL = 22
    ALREADY_EXISTS = 23
    CONFLICT = 24
    TOO_LATE = 30
    REFUSED_BY_HOST = 40
    RATE_LIMITED = 50


class CloseCode(enum.IntEnum):
    """Why the server ended a stream, and by its range what the client does next."""

    SHUTDOWN = 1
    UNAVAILABLE = 2
    OVERLOADED = 3
    HEARTBEAT_TIMEOUT = 4
    INTERNAL = 5
    RATE_LIMITED = 6
    SEQ_AHEAD = 100
    BAD_TOKEN = 200
    TOKEN_EXPIRED = 201
    UNSUPPORTED_VERSION = 202
    UNKNOWN_FRAME = 203
    HELLO_EXPECTED = 204
    INVALID_FRAME = 205
    FRAME_TOO_LARGE = 206
    ACK_AHEAD = 207
    SUPERSEDED = 208
    KICKED = 209
    TOO_MANY_DEVICES = 210
    REVOKED = 211

    @property
    def reconnects(self) -> bool:
        """Whether a client comes back by itself."""
        return self < 200

    @property
    def resumes(self) -> bool:
        """Whether the client's cursor is still good when it comes back."""
        return self < 100


class WhimbrelError(Exception):
    """A refusal that the caller may see.

    `detail` is for people and may change; programs look at `code` alone.
    `retry_after_seconds` is None when trying again does not help.
    `outcome_unknown` says that the thing may have happened all the same.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        retry_after_seconds: float | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.outcome_unknown = outcome_unknown


def invalid(detail: str) -> WhimbrelError:
    """INVALID_ARGUMENT, the commonest refusal."""
    return WhimbrelError(ErrorCode.INVALID_ARGUMENT, detail)


def unavailable(
    detail: str, *, retry_after_seconds: float = 1.0, outcome_unknown: bool = False
) -> WhimbrelError:
    """UNAVAILABLE: a part that is needed does not answer now."""
    return WhimbrelError(
        ErrorCode.UNAVAILABLE,
        detail,
        retry_after_seconds=retry_after_seconds,
        outcome_unknown=outcome_unknown,
    )
