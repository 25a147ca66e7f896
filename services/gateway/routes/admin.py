"""What an administrator may do: users, bans, the audit log. The token's scope has "admin"."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from services.gateway.caller import Admin
from services.gateway.domain.accounts import FOR_EVER_MS, Ban, User
from services.gateway.fields import (
    After,
    Name,
    PageSize,
    PathName,
    RequestBody,
    Secret,
    ShownName,
    TimeMs,
)
from services.gateway.parts import PartsDep

router = APIRouter(prefix="/v1/admin", tags=["admin"])


class UserAddition(RequestBody):
    """A new account."""

    user_id: Name
    password: Secret
    name: ShownName | None = None


class ScopesChange(RequestBody):
    """What the user's tokens shall say."""

    scopes: Annotated[list[Literal["admin"]], Field(max_length=1)]


class BanChange(RequestBody):
    """A ban as it is to be."""

    reason: Annotated[
        str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    ]
    """One line; the banned person sees it."""
    until_ms: TimeMs | None = None
    """Milliseconds since the Unix epoch; absent: for ever."""


class UserAnswer(BaseModel):
    """An account as an administrator sees it."""

    user_id: str
    name: str
    created_ms: int
    scopes: list[str]
    has_password: bool

    @classmethod
    def of(cls, user: User) -> UserAnswer:
        """As JSON has it."""
        return cls(
            user_id=user.user_id,
            name=user.name,
            created_ms=user.created_ms,
            scopes=list(user.scopes),
            has_password=user.password_hash is not None,
        )


class BanAnswer(BaseModel):
    """A ban that holds."""

    user_id: str
    reason: str
    until_ms: int | None
    """Absent: for ever."""
    updated_ms: int

    @classmethod
    def of(cls, ban: Ban) -> BanAnswer:
        """As JSON has it."""
        return cls(
            user_id=ban.user_id,
            reason=ban.reason,
            until_ms=None if ban.until_ms == FOR_EVER_MS else ban.until_ms,
            updated_ms=ban.updated_ms,
        )


class AuditAnswer(BaseModel):
    """An act, written before it was done: what was refused after that stands here too."""

    entry_id: str
    at_ms: int
    admin: str
    act: str
    target: str
    detail: Mapping[str, str]


@router.get("/users")
async def list_users(
    admin: Admin, parts: PartsDep, after: After = "", limit: PageSize = 50
) -> list[UserAnswer]:
    """All accounts, by id, a page at a time."""
    return [UserAnswer.of(user) for user in await parts.accounts.page(after, limit)]


@router.post("/users", status_code=201)
async def add_user(body: UserAddition, admin: Admin, parts: PartsDep) -> UserAnswer:
    """Make an account for somebody."""
    return UserAnswer.of(
        await parts.administer.add_user(admin.user_id, body.user_id, body.name or "", body.password)
    )


@router.put("/users/{user_id}/scopes")
async def set_scopes(
    user_id: PathName, body: ScopesChange, admin: Admin, parts: PartsDep
) -> UserAnswer:
    """Make a user an administrator, or no longer; tokens say it from the next one on."""
    return UserAnswer.of(await parts.administer.set_scopes(admin.user_id, user_id, body.scopes))


@router.delete("/users/{user_id}/logins", status_code=204)
async def log_out_user(user_id: PathName, admin: Admin, parts: PartsDep) -> Response:
    """End all logins of a user: tokens and streams too, within 2 s."""
    await parts.administer.log_out(admin.user_id, user_id)
    return Response(status_code=204)


@router.get("/bans")
async def list_bans(
    admin: Admin, parts: PartsDep, after: After = "", limit: PageSize = 50
) -> list[BanAnswer]:
    """The bans that hold, by user id, a page at a time."""
    now_ms = time.time_ns() // 1_000_000
    return [BanAnswer.of(ban) for ban in await parts.bans.page(after, limit, now_ms)]


@router.put("/bans/{user_id}")
async def ban_user(user_id: PathName, body: BanChange, admin: Admin, parts: PartsDep) -> BanAnswer:
    """Ban a user: no more logins, no more messages; all logins, tokens and streams end."""
    return BanAnswer.of(
        await parts.administer.ban(admin.user_id, user_id, body.until_ms, body.reason)
    )


@router.delete("/bans/{user_id}", status_code=204)
async def lift_ban(user_id: PathName, admin: Admin, parts: PartsDep) -> Response:
    """Lift a ban."""
    await parts.administer.lift_ban(admin.user_id, user_id)
    return Response(status_code=204)


@router.get("/audit")
async def read_audit(
    admin: Admin,
    parts: PartsDep,
    before: Annotated[str | None, Query(pattern=r"^[0-9a-f]{24}$")] = None,
    limit: PageSize = 50,
) -> list[AuditAnswer]:
    """What administrators did, the newest first, a page at a time."""
    return [AuditAnswer(**entry._asdict()) for entry in await parts.audit.page(before, limit)]
