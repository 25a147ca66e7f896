"""What was said: one conversation in the order of message_id, and search by words."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from services.gateway.caller import Caller
from services.gateway.fields import ConversationId, Id64, PageSize, PathConversation
from services.gateway.messages import MessageAnswer, entries_json, json_response
from services.gateway.parts import PartsDep
from whimbrel.api.history.v1 import history_pb2 as pb
from whimbrel.api.history.v1.history_pb2_grpc import HistoryServiceStub
from whimbrel.core.errors import invalid
from whimbrel.runtime.logic_pods import ask

router = APIRouter(prefix="/v1", tags=["history"])


class HistoryAnswer(BaseModel):
    """Ascending by message_id."""

    messages: list[MessageAnswer]
    has_older: bool
    has_newer: bool


class SearchAnswer(BaseModel):
    """Descending by message_id."""

    messages: list[MessageAnswer]
    next: str | None
    """To be given as `before` for the next page; null on the last one. A page may be short, even
    empty, and have a next one."""


@router.get("/conversations/{conversation_id}/messages", response_model=HistoryAnswer)
async def read_history(
    conversation_id: PathConversation,
    caller: Caller,
    parts: PartsDep,
    before: Id64 | None = None,
    after: Id64 | None = None,
    around: Id64 | None = None,
    limit: PageSize = 50,
) -> Response:
    """What stands of it in the caller's timeline: the newest, or those nearest to a message_id."""
    positions = {"before": before, "after": after, "around": around}
    chosen = {name: int(value) for name, value in positions.items() if value is not None}
    if len(chosen) > 1:
        raise invalid("give one of before, after and around")
    request = pb.ReadHistoryRequest(
        caller_id=caller.user_id, conversation_id=conversation_id, limit=limit, **chosen
    )
    page = await ask(
        parts.logic, caller.user_id, HistoryServiceStub, lambda stub: stub.ReadHistory, request
    )
    return json_response(
        {
            "messages": entries_json(page.entries),
            "has_older": page.has_older,
            "has_newer": page.has_newer,
        }
    )


@router.get("/search", response_model=SearchAnswer)
async def search_messages(
    caller: Caller,
    parts: PartsDep,
    q: Annotated[str, Query(min_length=1, max_length=200)],
    conversation_id: ConversationId | None = None,
    before: Id64 | None = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
) -> Response:
    """Texts that have every word, in whatever case; the last word may be unfinished."""
    request = pb.SearchRequest(
        caller_id=caller.user_id,
        query=q,
        conversation_id=conversation_id or "",
        before=int(before or 0),
        limit=limit,
    )
    page = await ask(
        parts.logic, caller.user_id, HistoryServiceStub, lambda stub: stub.Search, request
    )
    return json_response(
        {
            "messages": entries_json(page.entries),
            "next": str(page.next_before) if page.next_before else None,
        }
    )
