"""The one error type over gRPC: a table from codes to statuses, and the way back.

A WhimbrelError leaves as a status with its code, delay and certainty in trailing metadata, and
comes back the same at the other end. What is not a WhimbrelError is INTERNAL with its detail
hidden: `interception` sees to that. Programs look at the code alone, never at the text.
"""

from __future__ import annotations

from typing import Final

import grpc

from whimbrel.core.errors import ErrorCode, WhimbrelError

CODE_KEY: Final = "whimbrel-code"
"""Trailing metadata: the name of the ErrorCode ("STALE_EPOCH")."""
RETRY_AFTER_KEY: Final = "whimbrel-retry-after-ms"
"""Trailing metadata: whole milliseconds; absent when trying again does not help."""
OUTCOME_UNKNOWN_KEY: Final = "whimbrel-outcome-unknown"
"""Trailing metadata: "1" when the thing may have happened all the same; else absent."""

STATUS_OF: Final[dict[ErrorCode, grpc.StatusCode]] = {
    ErrorCode.INTERNAL: grpc.StatusCode.INTERNAL,
    ErrorCode.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorCode.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    ErrorCode.TOKEN_EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    ErrorCode.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.BODY_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.UNKNOWN_CONVERSATION: grpc.StatusCode.NOT_FOUND,
    ErrorCode.NOT_A_MEMBER: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.ID_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    ErrorCode.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.STALE_EPOCH: grpc.StatusCode.ABORTED,
    ErrorCode.SEQ_AHEAD: grpc.StatusCode.OUT_OF_RANGE,
    ErrorCode.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorCode.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorCode.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.BANNED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.MUTED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.BLOCKED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.NOT_FRIENDS: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.FORBIDDEN_WORDS: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.AT_RISK: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.GROUP_FULL: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    ErrorCode.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.TOO_LATE: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.REFUSED_BY_HOST: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

_CODE_OF: Final[dict[grpc.StatusCode, ErrorCode]] = {
    grpc.StatusCode.UNAVAILABLE: ErrorCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED: ErrorCode.UNAVAILABLE,
    grpc.StatusCode.UNAUTHENTICATED: ErrorCode.UNAUTHENTICATED,
    grpc.StatusCode.INVALID_ARGUMENT: ErrorCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND: ErrorCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED: ErrorCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ErrorCode.OVERLOADED,
    grpc.StatusCode.DEADLINE_EXCEEDED: ErrorCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.PERMISSION_DENIED: ErrorCode.PERMISSION_DENIED,
}
"""For a status that no Whimbrel pod has set: from the transport, or a proxy."""

_WORTH_A_RETRY: Final = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_TRANSPORT_RETRY_SECONDS: Final = 0.2


def trailing_metadata(error: WhimbrelError) -> tuple[tuple[str, str], ...]:
    """What a status carries so that the other end can raise the same error."""
    metadata = [(CODE_KEY, error.code.name)]
    if error.retry_after_seconds is not None:
        metadata.append((RETRY_AFTER_KEY, str(max(0, round(error.retry_after_seconds * 1000)))))
    if error.outcome_unknown:
        metadata.append((OUTCOME_UNKNOWN_KEY, "1"))
    return tuple(metadata)


def error_from_rpc(error: grpc.aio.AioRpcError) -> WhimbrelError:
    """The error that the other end raised, or the nearest one when the call never got through.

    A call that broke on the way may have been carried out: outcome_unknown is then True.
    """
    carried = {
        key: value for key, value in error.trailing_metadata() or () if key[:9] == "whimbrel-"
    }
    name = carried.get(CODE_KEY)
    detail = error.details() or ""
    if isinstance(name, str) and name in ErrorCode.__members__:
        retry_after = carried.get(RETRY_AFTER_KEY)
        return WhimbrelError(
            ErrorCode[name],
            detail,
            retry_after_seconds=int(retry_after) / 1000 if retry_after is not None else None,
            outcome_unknown=OUTCOME_UNKNOWN_KEY in carried,
        )
    status = error.code()
    return WhimbrelError(
        _CODE_OF.get(status, ErrorCode.INTERNAL),
        detail or status.name,
        retry_after_seconds=_TRANSPORT_RETRY_SECONDS if status in _WORTH_A_RETRY else None,
        outcome_unknown=status in _WORTH_A_RETRY,
    )
