"""Groups as JSON, and asking Logic about one: for every route that has to do with groups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeVar

from fastapi import Path
from pydantic import BaseModel

from services.gateway.parts import Parts
from whimbrel.api.groups.v1 import groups_pb2 as pb
from whimbrel.api.groups.v1.groups_pb2_grpc import GroupsServiceStub
from whimbrel.runtime.logic_pods import ask

A = TypeVar("A")

PathGroup = Annotated[str, Path(pattern=r"^g:[A-Za-z0-9_.\-]{1,64}$")]

RoleName = Literal["member", "admin", "owner"]
JoiningName = Literal["closed", "approval", "link"]
JOINING_OF: dict[JoiningName, pb.Joining.ValueType] = {
    "closed": pb.JOINING_CLOSED,
    "approval": pb.JOINING_APPROVAL,
    "link": pb.JOINING_LINK,
}
_JOINING_NAME = {number: name for name, number in JOINING_OF.items()}
_ROLE_NAME: dict[int, RoleName] = {pb.ROLE_ADMIN: "admin", pb.ROLE_OWNER: "owner"}


class MemberAnswer(BaseModel):
    """A member of a group."""

    user_id: str
    role: RoleName
    joined_ms: int
    muted_until_ms: int
    """0: not muted."""


class GroupAnswer(BaseModel):
    """A group as the caller sees it."""

    conversation_id: str
    name: str
    announcement: str
    created_ms: int
    version: int
    """Counts the changes, from 1."""
    members: list[MemberAnswer]
    """In the order of joining; empty in a list of groups."""
    all_muted_until_ms: int
    """0: nobody is muted by it."""
    joining: JoiningName
    members_may_invite: bool
    waiting_ids: list[str]
    """Who has asked to join; empty for those who are no admin."""

    @classmethod
    def of(cls, group: pb.Group) -> GroupAnswer:
        """As JSON has it."""
        return cls(
            conversation_id=group.conversation_id,
            name=group.name,
            announcement=group.announcement,
            created_ms=group.created_ms,
            version=group.version,
            members=[
                MemberAnswer(
                    user_id=one.user_id,
                    role=_ROLE_NAME.get(one.role, "member"),
                    joined_ms=one.joined_ms,
                    muted_until_ms=one.muted_until_ms,
                )
                for one in group.members
            ],
            all_muted_until_ms=group.all_muted_until_ms,
            joining=_JOINING_NAME.get(group.joining, "closed"),
            members_may_invite=group.members_may_invite,
            waiting_ids=list(group.waiting_ids),
        )


async def ask_groups(
    parts: Parts,
    key: str,
    method: Callable[[GroupsServiceStub], Callable[..., Awaitable[A]]],
    request: object,
) -> A:
    """As `ask`. `key` is the group, so that its changes meet in one pod and seldom each other."""
    return await ask(parts.logic, key, GroupsServiceStub, method, request)
