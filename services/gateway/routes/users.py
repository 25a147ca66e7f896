"""Accounts: register, profile, search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from services.gateway.caller import Caller
from services.gateway.domain.accounts import User
from services.gateway.fields import Name, PathName, RequestBody, Secret, ShownName
from services.gateway.parts import PartsDep
from services.gateway.routes.logins import TokensAnswer
from whimbrel.core.errors import invalid

router = APIRouter(prefix="/v1/users", tags=["users"])

_MAX_FOUND = 50
SettingsMap = Annotated[
    dict[Name, Annotated[str, StringConstraints(max_length=256)]], Field(max_length=32)
]
"""What clients of the user keep for each other: at most 32 names, values of 256 characters."""


class Registration(RequestBody):
    """A new account."""

    user_id: Name
    """Chosen by the person, for ever."""
    password: Secret
    name: ShownName | None = None
    """What others see; the user id when absent."""
    device_id: Name | None = None


class ProfileChange(RequestBody):
    """What to change; an absent field stays."""

    name: ShownName | None = None
    avatar_media_id: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{0,64}$")] | None
    ) = None
    """Empty removes it."""
    settings: SettingsMap | None = None
    """Replaces all settings."""


class PasswordChange(RequestBody):
    """Both passwords."""

    old_password: Secret
    new_password: Secret


class ProfileAnswer(BaseModel):
    """What everybody may see of a user."""

    user_id: str
    name: str
    avatar_media_id: str

    @classmethod
    def of(cls, user: User) -> ProfileAnswer:
        """As JSON has it."""
        return cls(user_id=user.user_id, name=user.name, avatar_media_id=user.avatar_media_id)


class OwnProfileAnswer(ProfileAnswer):
    """What the user sees beyond that."""

    created_ms: int
    settings: Mapping[str, str]

    @classmethod
    def of(cls, user: User) -> OwnProfileAnswer:
        return cls(
            user_id=user.user_id,
            name=user.name,
            avatar_media_id=user.avatar_media_id,
            created_ms=user.created_ms,
            settings=user.settings,
        )


@router.post("", status_code=201)
async def register(body: Registration, request: Request, parts: PartsDep) -> TokensAnswer:
    """Make an account and log in. Needs no token."""
    parts.limits.register(request)
    user = await parts.register.create(body.user_id, body.name or "", body.password)
    return TokensAnswer.of(await parts.log_in.begin(user, body.device_id or ""))


@router.get("")
async def search_users(
    caller: Caller,
    parts: PartsDep,
    prefix: Annotated[str, Query(min_length=2, max_length=64)],
    limit: Annotated[int, Query(ge=1, le=_MAX_FOUND)] = 20,
) -> list[ProfileAnswer]:
    """Users whose id, or a word of whose name, begins so, in whatever case."""
    return [ProfileAnswer.of(user) for user in await parts.accounts.search(prefix, limit)]


@router.get("/me")
async def own_profile(caller: Caller, parts: PartsDep) -> OwnProfileAnswer:
    """The caller's profile and settings."""
    return OwnProfileAnswer.of(await parts.accounts.get(caller.user_id))


@router.patch("/me")
async def change_profile(body: ProfileChange, caller: Caller, parts: PartsDep) -> OwnProfileAnswer:
    """Change the caller's profile."""
    fields: dict[str, Any] = body.model_dump(exclude_none=True)
    if not fields:
        raise invalid("nothing to change")
    return OwnProfileAnswer.of(await parts.accounts.change(caller.user_id, fields))


@router.put("/me/password", status_code=204)
async def change_password(
    body: PasswordChange, request: Request, caller: Caller, parts: PartsDep
) -> Response:
    """Change the caller's password; all other logins end, with their tokens and streams."""
    parts.limits.log_in(request, caller.user_id)
    await parts.register.change_password(caller.user_id, body.old_password, body.new_password)
    await parts.log_in.log_out_others(caller.user_id, caller.login_id)
    return Response(status_code=204)


@router.get("/{user_id}")
async def profile(user_id: PathName, caller: Caller, parts: PartsDep) -> ProfileAnswer:
    """What everybody may see of a user."""
    return ProfileAnswer.of(await parts.accounts.get(user_id))
