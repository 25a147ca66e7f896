"""SocialService: from the wire to `Befriend` and back."""

from __future__ import annotations

from typing import Any

import grpc

from services.logic.domain.people import Audience, Friendship, Privacy, Relation
from services.logic.usecases.befriend import Befriend, Known
from services.logic.usecases.reach import Reach
from whimbrel.api.social.v1 import social_pb2, social_pb2_grpc
from whimbrel.core.errors import invalid

MAX_FILTERED = 1000

_Context = grpc.aio.ServicerContext[Any, Any]


class SocialServicer(social_pb2_grpc.SocialServiceServicer):
    """One per process."""

    def __init__(self, befriend: Befriend, reach: Reach) -> None:
        self._befriend = befriend
        self._reach = reach

    async def RequestFriend(  # noqa: N802 - the names are the contract's
        self, request: social_pb2.RequestFriendRequest, context: _Context
    ) -> social_pb2.RequestFriendResponse:
        relation = await self._befriend.request(request.caller_id, request.user_id)
        return social_pb2.RequestFriendResponse(known=_of(request, relation))

    async def AcceptFriend(  # noqa: N802
        self, request: social_pb2.AcceptFriendRequest, context: _Context
    ) -> social_pb2.AcceptFriendResponse:
        relation = await self._befriend.accept(request.caller_id, request.user_id)
        return social_pb2.AcceptFriendResponse(known=_of(request, relation))

    async def DeclineFriend(  # noqa: N802
        self, request: social_pb2.DeclineFriendRequest, context: _Context
    ) -> social_pb2.DeclineFriendResponse:
        relation = await self._befriend.decline(request.caller_id, request.user_id)
        return social_pb2.DeclineFriendResponse(known=_of(request, relation))

    async def RemoveFriend(  # noqa: N802
        self, request: social_pb2.RemoveFriendRequest, context: _Context
    ) -> social_pb2.RemoveFriendResponse:
        relation = await self._befriend.remove(request.caller_id, request.user_id)
        return social_pb2.RemoveFriendResponse(known=_of(request, relation))

    async def ListFriends(  # noqa: N802
        self, request: social_pb2.ListFriendsRequest, context: _Context
    ) -> social_pb2.ListFriendsResponse:
        friendship = _enum(Friendship, request.friendship, "friendship")
        found, next_page = await self._befriend.list_known(
            request.caller_id, friendship, request.page, request.limit
        )
        return social_pb2.ListFriendsResponse(
            known=[_known(request.caller_id, one) for one in found], next_page=next_page
        )

    async def BlockUser(  # noqa: N802
        self, request: social_pb2.BlockUserRequest, context: _Context
    ) -> social_pb2.BlockUserResponse:
        relation = await self._befriend.block(request.caller_id, request.user_id)
        return social_pb2.BlockUserResponse(known=_of(request, relation))

    async def UnblockUser(  # noqa: N802
        self, request: social_pb2.UnblockUserRequest, context: _Context
    ) -> social_pb2.UnblockUserResponse:
        relation = await self._befriend.unblock(request.caller_id, request.user_id)
        return social_pb2.UnblockUserResponse(known=_of(request, relation))

    async def ListBlocked(  # noqa: N802
        self, request: social_pb2.ListBlockedRequest, context: _Context
    ) -> social_pb2.ListBlockedResponse:
        found, next_page = await self._befriend.list_blocked(
            request.caller_id, request.page, request.limit
        )
        return social_pb2.ListBlockedResponse(
            known=[_known(request.caller_id, one) for one in found], next_page=next_page
        )

    async def GetPrivacy(  # noqa: N802
        self, request: social_pb2.GetPrivacyRequest, context: _Context
    ) -> social_pb2.GetPrivacyResponse:
        privacy = await self._befriend.privacy(request.caller_id)
        return social_pb2.GetPrivacyResponse(
            privacy=social_pb2.Privacy(
                strangers_may_write=privacy.strangers_may_write,
                presence=social_pb2.Audience.ValueType(privacy.presence),
            )
        )

    async def SetPrivacy(  # noqa: N802
        self, request: social_pb2.SetPrivacyRequest, context: _Context
    ) -> social_pb2.SetPrivacyResponse:
        wanted = request.privacy
        strangers = wanted.strangers_may_write if wanted.HasField("strangers_may_write") else None
        presence = _enum(Audience, wanted.presence or Audience.FRIENDS, "presence")
        await self._befriend.set_privacy(request.caller_id, Privacy(strangers, presence))
        return social_pb2.SetPrivacyResponse()

    async def FilterVisible(  # noqa: N802
        self, request: social_pb2.FilterVisibleRequest, context: _Context
    ) -> social_pb2.FilterVisibleResponse:
        if len(request.user_ids) > MAX_FILTERED:
            raise invalid(f"user_ids has at most {MAX_FILTERED} users")
        visible = await self._befriend.may_see(request.caller_id, list(request.user_ids))
        return social_pb2.FilterVisibleResponse(user_ids=visible)

    async def CheckReach(  # noqa: N802
        self, request: social_pb2.CheckReachRequest, context: _Context
    ) -> social_pb2.CheckReachResponse:
        await self._reach.check(request.caller_id, request.user_id)
        return social_pb2.CheckReachResponse()


def _enum(kind: Any, value: int, what: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise invalid(f"{what} must be one of {', '.join(one.name for one in kind)}") from None


def _of(request: Any, relation: Relation) -> social_pb2.Known:
    return _known(request.caller_id, Known(request.user_id, relation))


def _known(caller: str, known: Known) -> social_pb2.Known:
    return social_pb2.Known(
        user_id=known.user,
        friendship=social_pb2.Friendship.ValueType(known.relation.friendship),
        asked_by=known.relation.asked_by,
        since_ms=known.relation.since_ms,
        is_blocked=caller in known.relation.blocked_by,
    )
