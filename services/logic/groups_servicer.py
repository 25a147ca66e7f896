"""GroupsService: from the wire to `ManageGroup` and back."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import grpc

from services.logic.domain import group_changes
from services.logic.domain.groups import Group, Joining, Role
from services.logic.usecases.manage_group import Decide, ManageGroup
from whimbrel.api.groups.v1 import groups_pb2, groups_pb2_grpc
from whimbrel.core.errors import invalid
from whimbrel.core.names import check_name

_Context = grpc.aio.ServicerContext[Any, Any]
E = TypeVar("E", Role, Joining)


class _Change(Protocol):
    @property
    def caller_id(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def conversation_id(self) -> str: ...


class GroupsServicer(groups_pb2_grpc.GroupsServiceServicer):
    """One per process."""

    def __init__(self, groups: ManageGroup) -> None:
        self._groups = groups

    async def FoundGroup(  # noqa: N802 - the names are the contract's
        self, request: groups_pb2.FoundGroupRequest, context: _Context
    ) -> groups_pb2.FoundGroupResponse:
        group = await self._groups.create(
            request.caller_id, list(request.member_ids), request.name, request.request_id
        )
        return groups_pb2.FoundGroupResponse(group=_group(group, request.caller_id))

    async def GetGroup(  # noqa: N802
        self, request: groups_pb2.GetGroupRequest, context: _Context
    ) -> groups_pb2.GetGroupResponse:
        group = await self._groups.look(request.conversation_id, request.caller_id)
        return groups_pb2.GetGroupResponse(group=_group(group, request.caller_id))

    async def ListGroups(  # noqa: N802
        self, request: groups_pb2.ListGroupsRequest, context: _Context
    ) -> groups_pb2.ListGroupsResponse:
        found = await self._groups.of_user(request.caller_id, request.after, request.limit)
        response = groups_pb2.ListGroupsResponse()
        for group in found:
            shown = _group(group, request.caller_id)
            del shown.members[:]
            response.groups.append(shown)
        return response

    async def InviteMembers(  # noqa: N802
        self, request: groups_pb2.InviteMembersRequest, context: _Context
    ) -> groups_pb2.InviteMembersResponse:
        group = await self._groups.invite(
            request.conversation_id,
            request.caller_id,
            request.request_id,
            list(request.user_ids),
        )
        return groups_pb2.InviteMembersResponse(group=_group(group, request.caller_id))

    async def AskToJoin(  # noqa: N802
        self, request: groups_pb2.AskToJoinRequest, context: _Context
    ) -> groups_pb2.AskToJoinResponse:
        await self._change(
            request, lambda group, now: group_changes.ask(group, request.caller_id, now)
        )
        return groups_pb2.AskToJoinResponse()

    async def AnswerAsking(  # noqa: N802
        self, request: groups_pb2.AnswerAskingRequest, context: _Context
    ) -> groups_pb2.AnswerAskingResponse:
        answer = group_changes.let_in if request.let_in else group_changes.turn_away
        user = check_name(request.user_id, "user_id")
        group = await self._change(
            request, lambda group, now: answer(group, request.caller_id, user, now)
        )
        return groups_pb2.AnswerAskingResponse(group=_group(group, request.caller_id))

    async def MakeLink(  # noqa: N802
        self, request: groups_pb2.MakeLinkRequest, context: _Context
    ) -> groups_pb2.MakeLinkResponse:
        link = await self._groups.make_link(
            request.conversation_id, request.caller_id, request.request_id
        )
        return groups_pb2.MakeLinkResponse(link=link)

    async def EndLink(  # noqa: N802
        self, request: groups_pb2.EndLinkRequest, context: _Context
    ) -> groups_pb2.EndLinkResponse:
        await self._change(
            request, lambda group, now: group_changes.make_link(group, request.caller_id, "", now)
        )
        return groups_pb2.EndLinkResponse()

    async def JoinByLink(  # noqa: N802
        self, request: groups_pb2.JoinByLinkRequest, context: _Context
    ) -> groups_pb2.JoinByLinkResponse:
        group = await self._groups.join(request.caller_id, request.request_id, request.link)
        return groups_pb2.JoinByLinkResponse(
            conversation_id=group.conversation,
            is_member=group.member(request.caller_id) is not None,
        )

    async def LeaveGroup(  # noqa: N802
        self, request: groups_pb2.LeaveGroupRequest, context: _Context
    ) -> groups_pb2.LeaveGroupResponse:
        await self._change(
            request, lambda group, now: group_changes.leave(group, request.caller_id, now)
        )
        return groups_pb2.LeaveGroupResponse()

    async def RemoveMember(  # noqa: N802
        self, request: groups_pb2.RemoveMemberRequest, context: _Context
    ) -> groups_pb2.RemoveMemberResponse:
        group = await self._change(
            request,
            lambda group, now: group_changes.remove(group, request.caller_id, request.user_id, now),
        )
        return groups_pb2.RemoveMemberResponse(group=_group(group, request.caller_id))

    async def SetRole(  # noqa: N802
        self, request: groups_pb2.SetRoleRequest, context: _Context
    ) -> groups_pb2.SetRoleResponse:
        role = _enum(Role, request.role, "role")
        group = await self._change(
            request,
            lambda group, now: group_changes.set_role(
                group, request.caller_id, request.user_id, role, now
            ),
        )
        return groups_pb2.SetRoleResponse(group=_group(group, request.caller_id))

    async def Mute(  # noqa: N802
        self, request: groups_pb2.MuteRequest, context: _Context
    ) -> groups_pb2.MuteResponse:
        caller, user, until_ms = request.caller_id, request.user_id, request.until_ms
        if until_ms < 0:
            raise invalid("until_ms must not be negative")

        def decide(group: Group, now_ms: int) -> group_changes.Change:
            if user:
                return group_changes.mute(group, caller, user, until_ms, now_ms)
            return group_changes.mute_all(group, caller, until_ms, now_ms)

        group = await self._change(request, decide)
        return groups_pb2.MuteResponse(group=_group(group, caller))

    async def TransferGroup(  # noqa: N802
        self, request: groups_pb2.TransferGroupRequest, context: _Context
    ) -> groups_pb2.TransferGroupResponse:
        group = await self._change(
            request,
            lambda group, now: group_changes.transfer(
                group, request.caller_id, request.user_id, now
            ),
        )
        return groups_pb2.TransferGroupResponse(group=_group(group, request.caller_id))

    async def DissolveGroup(  # noqa: N802
        self, request: groups_pb2.DissolveGroupRequest, context: _Context
    ) -> groups_pb2.DissolveGroupResponse:
        await self._change(
            request, lambda group, now: group_changes.dissolve(group, request.caller_id, now)
        )
        return groups_pb2.DissolveGroupResponse()

    async def DescribeGroup(  # noqa: N802
        self, request: groups_pb2.DescribeGroupRequest, context: _Context
    ) -> groups_pb2.DescribeGroupResponse:
        def given(field: str) -> Any:
            return getattr(request, field) if request.HasField(field) else None  # type: ignore[arg-type]

        joining = _enum(Joining, request.joining, "joining") if request.joining else None
        group = await self._change(
            request,
            lambda group, now: group_changes.describe(
                group,
                request.caller_id,
                now,
                name=given("name"),
                announcement=given("announcement"),
                joining=joining,
                members_may_invite=given("members_may_invite"),
            ),
        )
        return groups_pb2.DescribeGroupResponse(group=_group(group, request.caller_id))

    async def _change(self, request: _Change, decide: Decide) -> Group:
        return await self._groups.change(
            request.conversation_id, request.caller_id, request.request_id, decide
        )


def _enum(kind: type[E], value: int, what: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise invalid(f"{what} must be one of {', '.join(one.name for one in kind)}") from None


def _group(group: Group, caller: str) -> groups_pb2.Group:
    """The group as this caller may see it: who has left sees the members no more."""
    mine = group.member(caller)
    shown = groups_pb2.Group(
        conversation_id=group.conversation,
        name=group.name,
        announcement=group.announcement,
        created_ms=group.created_ms,
        version=group.version,
        all_muted_until_ms=group.all_muted_until_ms,
        joining=groups_pb2.Joining.ValueType(group.joining),
        members_may_invite=group.members_may_invite,
    )
    if mine is None:
        return shown
    if mine.role >= Role.ADMIN:
        shown.waiting_ids.extend(group.waiting)
    for one in group.members:
        shown.members.add(
            user_id=one.user,
            role=groups_pb2.Role.ValueType(one.role),
            joined_ms=one.joined_ms,
            muted_until_ms=one.muted_until_ms,
        )
    return shown
