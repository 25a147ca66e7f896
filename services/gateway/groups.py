"""Groups as JSON, and asking Logic about one: for every route that has to do with groups."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, TypeVar

from fastapi import Depends, Path
from pydantic import BaseModel

from services.gateway.caller import Caller
from services.gateway.idempotency import RequestId
from services.gateway.parts import Parts, PartsDep
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


Method = Callable[[GroupsServiceStub], Callable[..., Awaitable[A]]]


async def ask_groups(parts: Parts, key: str, method: Method[A], request: object) -> A:
    """As `ask`. `key` is the group, so that its changes meet in one pod and seldom each other."""
    return await ask(parts.logic, key, GroupsServiceStub, method, request)


class _Change(Protocol):
    """What the requests of all changes have in common."""

    caller_id: str
    request_id: str
    conversation_id: str


class _Changed(Protocol):
    """What the answers of most changes are."""

    @property
    def group(self) -> pb.Group: ...


@dataclass(frozen=True)
class GroupChange:
    """One change to one group: who makes it, and by what name it is known when it comes again."""

    parts: Parts
    caller_id: str
    request_id: str
    conversation_id: str

    async def ask(self, method: Method[A], request: _Change) -> A:
        """Have it made; `request` says what else is to be known. The answer as Logic gave it."""
        request.caller_id = self.caller_id
        request.request_id = self.request_id
        request.conversation_id = self.conversation_id
        return await ask_groups(self.parts, self.conversation_id, method, request)

    async def make(self, method: Method[_Changed], request: _Change) -> GroupAnswer:
        """Have it made; the group as it is then."""
        return GroupAnswer.of((await self.ask(method, request)).group)


def _change(
    conversation_id: PathGroup, caller: Caller, parts: PartsDep, request_id: RequestId
) -> GroupChange:
    return GroupChange(parts, caller.user_id, request_id, conversation_id)


Change = Annotated[GroupChange, Depends(_change)]
"""As the type of a route's parameter: the group of the path, the caller, the Idempotency-Key."""
