"""The caller's conversations: the list, pin and mute, read marks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from services.gateway.caller import Caller
from services.gateway.fields import Id64, PageSize, PathConversation, RequestBody
from services.gateway.messages import MessageAnswer, entry_json, json_response
from services.gateway.parts import PartsDep
from whimbrel.api.history.v1 import history_pb2 as pb
from whimbrel.api.history.v1.history_pb2_grpc import HistoryServiceStub
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.logic.v1.logic_pb2_grpc import LogicServiceStub
from whimbrel.core.errors import invalid
from whimbrel.runtime.logic_pods import ask

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])


class ConversationAnswer(BaseModel):
    """A conversation as its list shows it."""

    conversation_id: str
    last: MessageAnswer
    unread: int
    """What no human has read; stays at 1,000 when there is more."""
    undelivered: int
    """What no device of the caller has."""
    pinned: bool
    muted: bool


class ConversationsAnswer(BaseModel):
    """A page of the list."""

    conversations: list[ConversationAnswer]
    next: str
    """To be given as `after` for the next page; empty on the last one."""
    total_unread: int
    """Over all conversations."""


class ConversationChange(RequestBody):
    """What to change; an absent field stays."""

    pinned: bool | None = None
    muted: bool | None = None


class ConversationSettingsAnswer(BaseModel):
    """What holds now."""

    conversation_id: str
    pinned: bool
    muted: bool


class ReadMark(RequestBody):
    """Up to where the caller has read."""

    message_id: Id64


class ReadAnswer(BaseModel):
    """What a read mark leaves."""

    conversation_id: str
    unread: int
    seq: str
    """The read mark: a place in the caller's timeline."""


class MemberReadAnswer(BaseModel):
    """How far a member has read."""

    user_id: str
    message_id: str
    """Everything of the conversation up to here."""


class MemberReadsAnswer(BaseModel):
    """The members who have read anything, in the order of joining."""

    reads: list[MemberReadAnswer]


@router.get("", response_model=ConversationsAnswer)
async def list_conversations(
    caller: Caller,
    parts: PartsDep,
    limit: PageSize = 50,
    after: Annotated[str, Query(pattern=r"^([01]\.[0-9]{1,19})?$")] = "",
) -> Response:
    """Pinned ones first, then those with the newest message."""
    page = await ask(
        parts.logic,
        caller.user_id,
        HistoryServiceStub,
        lambda stub: stub.ListConversations,
        pb.ListConversationsRequest(caller_id=caller.user_id, limit=limit, page_token=after),
    )
    conversations = [
        {
            "conversation_id": one.conversation_id,
            "last": entry_json(one.last),
            "unread": one.unread,
            "undelivered": one.undelivered,
            "pinned": one.pinned,
            "muted": one.muted,
        }
        for one in page.conversations
    ]
    return json_response(
        {
            "conversations": conversations,
            "next": page.next_page_token,
            "total_unread": page.total_unread,
        }
    )


@router.patch("/{conversation_id}")
async def change_conversation(
    conversation_id: PathConversation, body: ConversationChange, caller: Caller, parts: PartsDep
) -> ConversationSettingsAnswer:
    """Pin or mute it for the caller alone. A muted one wakes no device."""
    if body.pinned is None and body.muted is None:
        raise invalid("nothing to change")
    now = await ask(
        parts.logic,
        caller.user_id,
        HistoryServiceStub,
        lambda stub: stub.ChangeConversation,
        pb.ChangeConversationRequest(
            caller_id=caller.user_id,
            conversation_id=conversation_id,
            pinned=body.pinned,
            muted=body.muted,
        ),
    )
    return ConversationSettingsAnswer(
        conversation_id=conversation_id, pinned=now.pinned, muted=now.muted
    )


@router.post("/{conversation_id}/read")
async def mark_read(
    conversation_id: PathConversation, body: ReadMark, caller: Caller, parts: PartsDep
) -> ReadAnswer:
    """The caller has read everything up to this message. A mark never goes back."""
    answer = await ask(
        parts.logic,
        caller.user_id,
        HistoryServiceStub,
        lambda stub: stub.MarkRead,
        pb.MarkReadRequest(
            caller_id=caller.user_id,
            conversation_id=conversation_id,
            message_id=int(body.message_id),
        ),
    )
    return ReadAnswer(conversation_id=conversation_id, unread=answer.unread, seq=str(answer.seq))


@router.get("/{conversation_id}/reads")
async def list_reads(
    conversation_id: PathConversation, caller: Caller, parts: PartsDep
) -> MemberReadsAnswer:
    """How far the present members have read."""
    answer = await ask(
        parts.logic,
        conversation_id,
        LogicServiceStub,
        lambda stub: stub.ListReads,
        logic_pb2.ListReadsRequest(caller_id=caller.user_id, conversation_id=conversation_id),
    )
    return MemberReadsAnswer(
        reads=[
            MemberReadAnswer(user_id=one.user_id, message_id=str(one.message_id))
            for one in answer.reads
        ]
    )
