"""Offline pull: what no device of the caller has, and saying that it was pulled."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, RootModel

from services.gateway.caller import Caller
from services.gateway.fields import ConversationId, Id64
from services.gateway.messages import MessageAnswer, entries_json, json_response
from services.gateway.parts import PartsDep
from whimbrel.api.history.v1 import history_pb2 as pb
from whimbrel.api.history.v1.history_pb2_grpc import HistoryServiceStub
from whimbrel.runtime.logic_pods import ask

router = APIRouter(prefix="/v1", tags=["offline pull"])


class RecentAnswer(BaseModel):
    """What is undelivered in one conversation."""

    conversation_id: str
    undelivered: int
    """How much in all."""
    unread: int
    messages: list[MessageAnswer]
    """The first of it, in the order in which it was placed (`seq`)."""
    last_accessed_id: str
    """What to say once these are safe: the message_id of the last of them."""


class RecentsAnswer(BaseModel):
    """The conversation with the newest of these messages first."""

    conversations: list[RecentAnswer]
    has_more: bool
    """There is more: say what was pulled, and ask again."""


class LastAccessed(RootModel[dict[ConversationId, Id64]]):
    """conversation_id to the message_id of the last message that was pulled."""

    model_config = ConfigDict(strict=True)
    root: Annotated[dict[ConversationId, Id64], Field(min_length=1, max_length=200)]


class PulledAnswer(BaseModel):
    """What a pull mark did."""

    conversation_id: str
    removed: int
    """So many are no longer undelivered."""
    undelivered: int
    """So many still are."""


@router.get("/sessions/recent", response_model=RecentsAnswer)
async def pull_recent(
    caller: Caller,
    parts: PartsDep,
    conversations: Annotated[int, Query(ge=1, le=200)] = 100,
    messages: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """The first undelivered messages of each conversation. Changes nothing."""
    page = await ask(
        parts.logic,
        caller.user_id,
        HistoryServiceStub,
        lambda stub: stub.PullRecent,
        pb.PullRecentRequest(
            caller_id=caller.user_id, conversations=conversations, messages=messages
        ),
    )
    recents = [
        {
            "conversation_id": one.conversation_id,
            "undelivered": one.undelivered,
            "unread": one.unread,
            "messages": entries_json(one.entries),
            "last_accessed_id": str(one.entries[-1].message.message_id),
        }
        for one in page.conversations
    ]
    return json_response({"conversations": recents, "has_more": page.has_more})


@router.post("/messages/lastAccessedId")
async def mark_pulled(body: LastAccessed, caller: Caller, parts: PartsDep) -> list[PulledAnswer]:
    """These were pulled: they are no longer undelivered. All of them, or none when one of the
    messages is not in the caller's timeline. No cursor moves: a stream brings them all the same."""
    answer = await ask(
        parts.logic,
        caller.user_id,
        HistoryServiceStub,
        lambda stub: stub.MarkPulled,
        pb.MarkPulledRequest(
            caller_id=caller.user_id,
            message_ids={name: int(message_id) for name, message_id in body.root.items()},
        ),
    )
    return [
        PulledAnswer(conversation_id=one.conversation_id, removed=one.removed, undelivered=one.left)
        for one in answer.conversations
    ]
