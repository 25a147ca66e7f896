"""Log in, stay logged in, log out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.gateway.caller import Caller
from services.gateway.fields import Name, RequestBody, Secret
from services.gateway.parts import PartsDep
from services.gateway.usecases.log_in import Tokens
from whimbrel.core.errors import invalid

router = APIRouter(prefix="/v1/logins", tags=["logins"])


class PasswordLogin(RequestBody):
    """Who, and the proof."""

    user_id: Name
    password: Secret
    device_id: Name | None = None
    """The device of the client; a new login of the same device ends the one before."""


class IdentityLogin(RequestBody):
    """A token of the identity provider."""

    token: Annotated[str, Field(min_length=1, max_length=16_384)]
    device_id: Name | None = None
    """The device of the client; a new login of the same device ends the one before."""


class RefreshRequest(RequestBody):
    """The newest refresh token of a login."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=256)]


class TokensAnswer(BaseModel):
    """What a client keeps. The access token opens streams too."""

    user_id: str
    login_id: str
    access_token: str
    expires_in: int
    """Seconds for which the access token holds."""
    refresh_token: str
    """Serves once; the answer to that has the next one."""

    @classmethod
    def of(cls, tokens: Tokens) -> TokensAnswer:
        """As JSON has them."""
        return cls(**tokens._asdict())


class LoginAnswer(BaseModel):
    """A login of the caller."""

    login_id: str
    device_id: str
    """Empty when the client had not named its device."""
    created_ms: int
    is_current: bool
    """Whether it is the one that the token of this request comes from."""


@router.post("", status_code=201)
async def log_in(body: PasswordLogin, request: Request, parts: PartsDep) -> TokensAnswer:
    """Log in by password. Needs no token."""
    parts.limits.log_in(request, body.user_id)
    return TokensAnswer.of(
        await parts.log_in.by_password(body.user_id, body.password, body.device_id or "")
    )


@router.post("/identity", status_code=201)
async def log_in_by_identity(
    body: IdentityLogin, request: Request, parts: PartsDep
) -> TokensAnswer:
    """Log in by a token of the identity provider; the first time makes the account."""
    parts.limits.log_in(request)
    return TokensAnswer.of(await parts.log_in.by_identity(body.token, body.device_id or ""))


@router.post("/refresh", status_code=201)
async def refresh(body: RefreshRequest, request: Request, parts: PartsDep) -> TokensAnswer:
    """The next pair of tokens. A refresh token that comes again ends its login."""
    parts.limits.log_in(request)
    return TokensAnswer.of(await parts.log_in.refresh(body.refresh_token))


@router.get("")
async def list_logins(caller: Caller, parts: PartsDep) -> list[LoginAnswer]:
    """The caller's logins, the newest first."""
    return [
        LoginAnswer(
            login_id=login.login_id,
            device_id=login.device_id,
            created_ms=login.created_ms,
            is_current=login.login_id == caller.login_id,
        )
        for login in await parts.logins.list(caller.user_id)
    ]


@router.delete("/current", status_code=204)
async def log_out(caller: Caller, parts: PartsDep) -> Response:
    """End the login that the token comes from, and its tokens and streams within 2 s."""
    if not caller.login_id:
        raise invalid("this token comes from no login")
    await parts.log_in.log_out(caller.user_id, caller.login_id)
    return Response(status_code=204)


@router.delete("", status_code=204)
async def log_out_everywhere(caller: Caller, parts: PartsDep) -> Response:
    """End all logins of the caller, their tokens and streams, and wake none of the devices any
    more."""
    await parts.log_in.log_out_everywhere(caller.user_id)
    return Response(status_code=204)
