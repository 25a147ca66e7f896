"""Who is in a group: invite, ask to join, let in, join by link, leave, remove, roles, mutes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from services.gateway.caller import Caller
from services.gateway.fields import Name, PathName, RequestBody
from services.gateway.groups import Change, GroupAnswer, ask_groups
from services.gateway.idempotency import RequestId
from services.gateway.parts import PartsDep
from services.gateway.routes.groups import Mute
from whimbrel.api.groups.v1 import groups_pb2 as pb

router = APIRouter(prefix="/v1", tags=["groups"])

_ROLE_OF = {"member": pb.ROLE_MEMBER, "admin": pb.ROLE_ADMIN}


class Invitation(RequestBody):
    """Whom to bring in."""

    user_ids: Annotated[list[Name], Field(min_length=1, max_length=200)]
    """Those who are in already stay as they are."""


class RoleChange(RequestBody):
    """What a member is to be."""

    role: Literal["member", "admin"]


class Joining(RequestBody):
    """By what to join."""

    link: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,128}$")]


class JoinedAnswer(BaseModel):
    """What came of a link."""

    conversation_id: str
    is_member: bool
    """False: an admin has to let the caller in."""


@router.post("/groups/{conversation_id}/members")
async def invite_members(body: Invitation, change: Change) -> GroupAnswer:
    """Bring users in."""
    await change.parts.accounts.need(body.user_ids)
    request = pb.InviteMembersRequest(user_ids=body.user_ids)
    return await change.make(lambda stub: stub.InviteMembers, request)


@router.delete("/groups/{conversation_id}/members/{user_id}")
async def remove_member(user_id: PathName, change: Change) -> GroupAnswer:
    """Remove somebody with a lower role. For admins."""
    request = pb.RemoveMemberRequest(user_id=user_id)
    return await change.make(lambda stub: stub.RemoveMember, request)


@router.put("/groups/{conversation_id}/members/{user_id}/role")
async def set_role(user_id: PathName, body: RoleChange, change: Change) -> GroupAnswer:
    """Make somebody an admin, or a member again. For the owner."""
    request = pb.SetRoleRequest(user_id=user_id, role=_ROLE_OF[body.role])
    return await change.make(lambda stub: stub.SetRole, request)


@router.put("/groups/{conversation_id}/members/{user_id}/mute")
async def mute_member(user_id: PathName, body: Mute, change: Change) -> GroupAnswer:
    """Mute somebody with a lower role until then. For admins."""
    request = pb.MuteRequest(user_id=user_id, until_ms=body.until_ms)
    return await change.make(lambda stub: stub.Mute, request)


@router.post("/groups/{conversation_id}/leave", status_code=204)
async def leave_group(change: Change) -> None:
    """Go. The owner transfers the group first."""
    await change.ask(lambda stub: stub.LeaveGroup, pb.LeaveGroupRequest())


@router.post("/groups/{conversation_id}/waiting", status_code=204)
async def ask_to_join(change: Change) -> None:
    """Ask to be let in."""
    await change.ask(lambda stub: stub.AskToJoin, pb.AskToJoinRequest())


@router.post("/groups/{conversation_id}/waiting/{user_id}/accept")
async def let_in(user_id: PathName, change: Change) -> GroupAnswer:
    """Say yes to somebody who has asked to join. For admins."""
    request = pb.AnswerAskingRequest(user_id=user_id, let_in=True)
    return await change.make(lambda stub: stub.AnswerAsking, request)


@router.delete("/groups/{conversation_id}/waiting/{user_id}", status_code=204)
async def turn_away(user_id: PathName, change: Change) -> None:
    """Say no to somebody who has asked to join (for admins), or take the caller's own request
    back. Without a request nothing changes."""
    await change.ask(lambda stub: stub.AnswerAsking, pb.AnswerAskingRequest(user_id=user_id))


@router.post("/group-joins")
async def join_by_link(
    body: Joining, caller: Caller, parts: PartsDep, request_id: RequestId
) -> JoinedAnswer:
    """Join by a link, or ask to be let in where the group wants that."""
    request = pb.JoinByLinkRequest(caller_id=caller.user_id, request_id=request_id, link=body.link)
    # The link begins with the id of its group.
    group = f"g:{body.link.partition('.')[0]}"
    answer = await ask_groups(parts, group, lambda stub: stub.JoinByLink, request)
    return JoinedAnswer(conversation_id=answer.conversation_id, is_member=answer.is_member)
