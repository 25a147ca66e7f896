"""Who calls: the bearer of an access token, the same tokens that streams are opened with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.gateway.parts import PartsDep
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.tokens import Claims

ADMIN_SCOPE = "admin"

_bearer = HTTPBearer(auto_error=False, description="An access token.")


def _caller(
    parts: PartsDep,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Claims:
    if given is None:
        raise WhimbrelError(ErrorCode.UNAUTHENTICATED, "authorization: Bearer TOKEN is missing")
    claims = parts.tokens.verify(given.credentials)
    parts.revoke.check(claims)
    return claims


Caller = Annotated[Claims, Depends(_caller)]
"""As the type of a route's parameter: who calls; without a good token the route is never run."""


def _admin(caller: Caller) -> Claims:
    if ADMIN_SCOPE not in caller.scopes:
        raise WhimbrelError(ErrorCode.PERMISSION_DENIED, "the token has no admin scope")
    return caller


Admin = Annotated[Claims, Depends(_admin)]
"""The same for what only an operator may do: the token's scope has "admin"."""
