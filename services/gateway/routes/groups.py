"""Groups as a whole: found, look at, describe, mute, hand on, dissolve; and the link to one.

Who is in them is changed in `group_members`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from services.gateway.caller import Caller
from services.gateway.fields import Name, PageSize, RequestBody, TimeMs
from services.gateway.groups import (
    JOINING_OF,
    Change,
    GroupAnswer,
    JoiningName,
    PathGroup,
    ask_groups,
)
from services.gateway.idempotency import RequestId
from services.gateway.parts import PartsDep
from whimbrel.api.groups.v1 import groups_pb2 as pb
from whimbrel.core.errors import invalid

router = APIRouter(prefix="/v1/groups", tags=["groups"])

GroupName = Annotated[str, StringConstraints(max_length=128)]


class GroupFounding(RequestBody):
    """A new group. The caller owns it."""

    member_ids: Annotated[list[Name], Field(min_length=1, max_length=999)]
    """The members beside the caller, each once."""
    name: GroupName = ""


class GroupDescription(RequestBody):
    """What to change; an absent field stays."""

    name: GroupName | None = None
    announcement: Annotated[str, StringConstraints(max_length=4096)] | None = None
    """Empty takes it down."""
    joining: JoiningName | None = None
    """How somebody who was not invited gets in: not at all; an admin lets them in; by the link at
    once, else an admin."""
    members_may_invite: bool | None = None


class Mute(RequestBody):
    """Until when."""

    until_ms: TimeMs
    """0, or a time that is past: no more."""


class NewOwner(RequestBody):
    """To whom."""

    user_id: Name


class GroupsAnswer(BaseModel):
    """A page of the caller's groups, by conversation_id."""

    groups: list[GroupAnswer]
    next: str
    """To be given as `after` for the next page; empty on the last one."""


class LinkAnswer(BaseModel):
    """Who has it may join, or ask to."""

    link: str


@router.post("", status_code=201)
async def found_group(
    body: GroupFounding, caller: Caller, parts: PartsDep, request_id: RequestId
) -> GroupAnswer:
    """Found a group. The same caller and key name the same group, whatever the rest says then."""
    await parts.accounts.need(body.member_ids)
    request = pb.FoundGroupRequest(
        caller_id=caller.user_id,
        request_id=request_id,
        member_ids=body.member_ids,
        name=body.name,
    )
    answer = await ask_groups(parts, caller.user_id, lambda stub: stub.FoundGroup, request)
    return GroupAnswer.of(answer.group)


@router.get("")
async def list_groups(
    caller: Caller,
    parts: PartsDep,
    limit: PageSize = 50,
    after: Annotated[str, Query(pattern=r"^(g:[A-Za-z0-9_.\-]{1,64})?$")] = "",
) -> GroupsAnswer:
    """The groups that the caller is in, without their members."""
    request = pb.ListGroupsRequest(caller_id=caller.user_id, after=after, limit=limit)
    page = await ask_groups(parts, caller.user_id, lambda stub: stub.ListGroups, request)
    groups = [GroupAnswer.of(one) for one in page.groups]
    return GroupsAnswer(
        groups=groups, next=groups[-1].conversation_id if len(groups) == limit else ""
    )


@router.get("/{conversation_id}")
async def read_group(conversation_id: PathGroup, caller: Caller, parts: PartsDep) -> GroupAnswer:
    """The group with its members; for admins also who waits to be let in."""
    request = pb.GetGroupRequest(caller_id=caller.user_id, conversation_id=conversation_id)
    answer = await ask_groups(parts, conversation_id, lambda stub: stub.GetGroup, request)
    return GroupAnswer.of(answer.group)


@router.patch("/{conversation_id}")
async def describe_group(body: GroupDescription, change: Change) -> GroupAnswer:
    """Change name, announcement and who may come in. For admins."""
    if not body.model_dump(exclude_none=True):
        raise invalid("nothing to change")
    request = pb.DescribeGroupRequest(
        name=body.name,
        announcement=body.announcement,
        joining=JOINING_OF[body.joining] if body.joining else pb.JOINING_UNSPECIFIED,
        members_may_invite=body.members_may_invite,
    )
    return await change.make(lambda stub: stub.DescribeGroup, request)


@router.delete("/{conversation_id}", status_code=204)
async def dissolve_group(change: Change) -> None:
    """End the group; what was said in it stays in the timelines. For the owner."""
    await change.ask(lambda stub: stub.DissolveGroup, pb.DissolveGroupRequest())


@router.put("/{conversation_id}/mute")
async def mute_group(body: Mute, change: Change) -> GroupAnswer:
    """Mute everybody but the admins until then. For admins."""
    return await change.make(lambda stub: stub.Mute, pb.MuteRequest(until_ms=body.until_ms))


@router.put("/{conversation_id}/owner")
async def transfer_group(body: NewOwner, change: Change) -> GroupAnswer:
    """Make another member the owner; the caller stays as an admin. For the owner."""
    request = pb.TransferGroupRequest(user_id=body.user_id)
    return await change.make(lambda stub: stub.TransferGroup, request)


@router.post("/{conversation_id}/link", status_code=201)
async def make_link(change: Change) -> LinkAnswer:
    """Make a link, which ends the one before. For admins."""
    answer = await change.ask(lambda stub: stub.MakeLink, pb.MakeLinkRequest())
    return LinkAnswer(link=answer.link)


@router.delete("/{conversation_id}/link", status_code=204)
async def end_link(change: Change) -> None:
    """Take the link back. For admins."""
    await change.ask(lambda stub: stub.EndLink, pb.EndLinkRequest())
