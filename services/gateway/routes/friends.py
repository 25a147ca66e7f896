"""The caller and others: friends, requests, blocks, privacy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.gateway.caller import Caller
from services.gateway.fields import PageSize, PathName, RequestBody
from services.gateway.parts import Parts, PartsDep
from whimbrel.api.social.v1 import social_pb2 as pb
from whimbrel.api.social.v1.social_pb2_grpc import SocialServiceStub
from whimbrel.runtime.logic_pods import ask

router = APIRouter(prefix="/v1", tags=["friends"])

A = TypeVar("A")

FriendshipName = Literal["none", "asked", "friends"]
AudienceName = Literal["everybody", "friends", "nobody"]
_FRIENDSHIP: dict[int, FriendshipName] = {
    pb.FRIENDSHIP_ASKED: "asked",
    pb.FRIENDSHIP_FRIENDS: "friends",
}
_AUDIENCE: dict[AudienceName, pb.Audience.ValueType] = {
    "everybody": pb.AUDIENCE_EVERYBODY,
    "friends": pb.AUDIENCE_FRIENDS,
    "nobody": pb.AUDIENCE_NOBODY,
}
_AUDIENCE_NAME = {number: name for name, number in _AUDIENCE.items()}

Next = Annotated[str, Query(pattern=r"^([A-Za-z0-9_.\-]{1,64}:[A-Za-z0-9_.\-]{1,64})?$")]
"""The `next` of the page before; empty for the first page."""


class KnownAnswer(BaseModel):
    """Somebody, and what is between them and the caller."""

    user_id: str
    friendship: FriendshipName
    asked_by: str | None
    """Who asked; null unless `friendship` is "asked"."""
    since_ms: int | None
    """Since when it is so; null for strangers who never met."""
    is_blocked: bool
    """The caller has blocked this user."""

    @classmethod
    def of(cls, known: pb.Known) -> KnownAnswer:
        """As JSON has it."""
        return cls(
            user_id=known.user_id,
            friendship=_FRIENDSHIP.get(known.friendship, "none"),
            asked_by=known.asked_by or None,
            since_ms=known.since_ms or None,
            is_blocked=known.is_blocked,
        )


class KnownPageAnswer(BaseModel):
    """A page of a list of users."""

    users: list[KnownAnswer]
    next: str
    """To be given as `after` for the next page; empty on the last one."""


class Privacy(RequestBody):
    """What a user permits others: the change, as a whole, and the answer."""

    strangers_may_write: bool | None
    """Whether who is no friend may write to the user; null: as the deployment has it."""
    presence: AudienceName
    """Who sees that the user is online."""


@router.get("/friends")
async def list_friends(
    caller: Caller, parts: PartsDep, limit: PageSize = 50, after: Next = ""
) -> KnownPageAnswer:
    """The caller's friends."""
    return await _list(parts, caller.user_id, pb.FRIENDSHIP_FRIENDS, after, limit)


@router.delete("/friends/{user_id}", status_code=204)
async def remove_friend(user_id: PathName, caller: Caller, parts: PartsDep) -> Response:
    """End a friendship. Between strangers nothing changes."""
    request = pb.RemoveFriendRequest(caller_id=caller.user_id, user_id=user_id)
    await _ask(parts, caller.user_id, lambda stub: stub.RemoveFriend, request)
    return Response(status_code=204)


@router.get("/friend-requests")
async def list_friend_requests(
    caller: Caller, parts: PartsDep, limit: PageSize = 50, after: Next = ""
) -> KnownPageAnswer:
    """Requests that nobody has answered: of the caller and to the caller; `asked_by` says which."""
    return await _list(parts, caller.user_id, pb.FRIENDSHIP_ASKED, after, limit)


@router.put("/friend-requests/{user_id}")
async def request_friend(user_id: PathName, caller: Caller, parts: PartsDep) -> KnownAnswer:
    """Ask for friendship. Who was asked by the other before is a friend at once."""
    await parts.accounts.need([user_id])
    request = pb.RequestFriendRequest(caller_id=caller.user_id, user_id=user_id)
    answer = await _ask(parts, caller.user_id, lambda stub: stub.RequestFriend, request)
    return KnownAnswer.of(answer.known)


@router.post("/friend-requests/{user_id}/accept")
async def accept_friend(user_id: PathName, caller: Caller, parts: PartsDep) -> KnownAnswer:
    """Say yes to somebody who has asked."""
    request = pb.AcceptFriendRequest(caller_id=caller.user_id, user_id=user_id)
    answer = await _ask(parts, caller.user_id, lambda stub: stub.AcceptFriend, request)
    return KnownAnswer.of(answer.known)


@router.delete("/friend-requests/{user_id}", status_code=204)
async def decline_friend(user_id: PathName, caller: Caller, parts: PartsDep) -> Response:
    """Say no to somebody who has asked, or take the caller's own request back. Without a request
    nothing changes."""
    request = pb.DeclineFriendRequest(caller_id=caller.user_id, user_id=user_id)
    await _ask(parts, caller.user_id, lambda stub: stub.DeclineFriend, request)
    return Response(status_code=204)


@router.get("/blocks")
async def list_blocks(
    caller: Caller, parts: PartsDep, limit: PageSize = 50, after: Next = ""
) -> KnownPageAnswer:
    """Those whom the caller has blocked."""
    request = pb.ListBlockedRequest(caller_id=caller.user_id, page=after, limit=limit)
    page = await _ask(parts, caller.user_id, lambda stub: stub.ListBlocked, request)
    return KnownPageAnswer(users=[KnownAnswer.of(one) for one in page.known], next=page.next_page)


@router.put("/blocks/{user_id}")
async def block_user(user_id: PathName, caller: Caller, parts: PartsDep) -> KnownAnswer:
    """Let nothing pass between the two, from 2 s on; a friendship ends."""
    await parts.accounts.need([user_id])
    request = pb.BlockUserRequest(caller_id=caller.user_id, user_id=user_id)
    answer = await _ask(parts, caller.user_id, lambda stub: stub.BlockUser, request)
    return KnownAnswer.of(answer.known)


@router.delete("/blocks/{user_id}", status_code=204)
async def unblock_user(user_id: PathName, caller: Caller, parts: PartsDep) -> Response:
    """Take the caller's block back; one that the other has set stays."""
    request = pb.UnblockUserRequest(caller_id=caller.user_id, user_id=user_id)
    await _ask(parts, caller.user_id, lambda stub: stub.UnblockUser, request)
    return Response(status_code=204)


@router.get("/users/me/privacy")
async def read_privacy(caller: Caller, parts: PartsDep) -> Privacy:
    """What the caller permits others."""
    request = pb.GetPrivacyRequest(caller_id=caller.user_id)
    answer = await _ask(parts, caller.user_id, lambda stub: stub.GetPrivacy, request)
    given = answer.privacy
    return Privacy(
        strangers_may_write=(
            given.strangers_may_write if given.HasField("strangers_may_write") else None
        ),
        presence=_AUDIENCE_NAME.get(given.presence, "friends"),
    )


@router.put("/users/me/privacy")
async def change_privacy(body: Privacy, caller: Caller, parts: PartsDep) -> Privacy:
    """Say what the caller permits others, as a whole. Holds within 2 s."""
    privacy = pb.Privacy(
        strangers_may_write=body.strangers_may_write, presence=_AUDIENCE[body.presence]
    )
    request = pb.SetPrivacyRequest(caller_id=caller.user_id, privacy=privacy)
    await _ask(parts, caller.user_id, lambda stub: stub.SetPrivacy, request)
    return body


async def _list(
    parts: Parts, caller_id: str, friendship: pb.Friendship.ValueType, after: str, limit: int
) -> KnownPageAnswer:
    request = pb.ListFriendsRequest(
        caller_id=caller_id, friendship=friendship, page=after, limit=limit
    )
    page = await _ask(parts, caller_id, lambda stub: stub.ListFriends, request)
    return KnownPageAnswer(users=[KnownAnswer.of(one) for one in page.known], next=page.next_page)


async def _ask(
    parts: Parts,
    caller_id: str,
    method: Callable[[SocialServiceStub], Callable[..., Awaitable[A]]],
    request: object,
) -> A:
    return await ask(parts.logic, caller_id, SocialServiceStub, method, request)
