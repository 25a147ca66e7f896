"""Refusals as HTTP: a public code, a sentence for people, and when to come again.

    {"error": {"code": "NOT_A_MEMBER", "detail": "…", "retry_after_ms": 500}}

Programs look at `code` alone; the status is for proxies and tools. The edge (`edge`) sees to what
is no WhimbrelError.
"""

from __future__ import annotations

import math
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from whimbrel.core.errors import ErrorCode, WhimbrelError, invalid

HTTP_STATUS_OF: Final[dict[ErrorCode, int]] = {
    ErrorCode.INTERNAL: 500,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.TOKEN_EXPIRED: 401,
    ErrorCode.INVALID_ARGUMENT: 400,
    ErrorCode.BODY_TOO_LARGE: 413,
    ErrorCode.UNKNOWN_CONVERSATION: 404,
    ErrorCode.NOT_A_MEMBER: 403,
    ErrorCode.ID_REUSED: 409,
    ErrorCode.OVERLOADED: 429,
    ErrorCode.STALE_EPOCH: 409,
    ErrorCode.SEQ_AHEAD: 409,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.DEADLINE_EXCEEDED: 504,
    ErrorCode.PERMISSION_DENIED: 403,
    ErrorCode.BANNED: 403,
    ErrorCode.MUTED: 403,
    ErrorCode.BLOCKED: 403,
    ErrorCode.NOT_FRIENDS: 403,
    ErrorCode.FORBIDDEN_WORDS: 400,
    ErrorCode.AT_RISK: 429,
    ErrorCode.GROUP_FULL: 409,
    ErrorCode.ALREADY_EXISTS: 409,
    ErrorCode.CONFLICT: 409,
    ErrorCode.TOO_LATE: 409,
    ErrorCode.REFUSED_BY_HOST: 403,
    ErrorCode.RATE_LIMITED: 429,
}
_MAX_DETAIL: Final = 300


class ErrorContent(BaseModel):
    """Why a request was refused."""

    code: str
    """The name of an ErrorCode without its prefix."""
    detail: str
    """For people; it may change."""
    retry_after_ms: int | None = None
    """Milliseconds; absent when trying again does not help."""


class ErrorBody(BaseModel):
    """The body of every answer that is not 2xx."""

    error: ErrorContent


def error_response(error: WhimbrelError, status: int | None = None) -> JSONResponse:
    """The answer for an error; `status` where it says more than that of the code."""
    content: dict[str, Any] = {"code": error.code.name, "detail": error.detail}
    headers = {}
    if error.retry_after_seconds is not None:
        content["retry_after_ms"] = max(0, round(error.retry_after_seconds * 1000))
        headers["retry-after"] = str(math.ceil(error.retry_after_seconds))
    if error.code in (ErrorCode.UNAUTHENTICATED, ErrorCode.TOKEN_EXPIRED):
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": content}, status or HTTP_STATUS_OF[error.code], headers)


def install_error_handlers(app: FastAPI) -> None:
    """Every refusal of this application leaves in our form."""

    @app.exception_handler(WhimbrelError)
    async def refused(_: Request, error: WhimbrelError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        # One sentence for each thing to change, never the value: it may be a password.
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        ]
        return error_response(invalid("; ".join(problems)[:_MAX_DETAIL]))

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, WhimbrelError):  # raised while the body was read
            return error_response(error.__cause__)
        not_there = error.status_code in (404, 405)
        code = ErrorCode.NOT_FOUND if not_there else ErrorCode.INVALID_ARGUMENT
        response = error_response(WhimbrelError(code, str(error.detail)), error.status_code)
        if error.status_code == 405:
            response.headers["allow"] = ", ".join(sorted(_methods_of(request)))
        return response


def _methods_of(request: Request) -> set[str]:
    """All that this path takes (RFC 9110): the framework names those of one route of it alone."""
    app: FastAPI = request.app
    return {
        method
        for route in iter_route_contexts(app.routes)
        if route.path_regex.match(request.url.path)
        for method in route.methods or ()
    }
