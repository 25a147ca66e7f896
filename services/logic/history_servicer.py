"""The unary calls of looking back: between the wire and the use cases, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import grpc

from services.logic.domain.model import Placement
from services.logic.domain.signals import Signal, SignalKind
from services.logic.history_parts import HistoryParts
from services.logic.usecases.message_bodies import Shown
from services.logic.usecases.pass_signals import PassSignals
from services.logic.usecases.pull_recent import check_limit, no_such_message
from services.logic.usecases.read_history import MAX_MESSAGE_ID, Position
from whimbrel.api.history.v1 import history_pb2 as pb
from whimbrel.api.history.v1 import history_pb2_grpc
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.errors import invalid
from whimbrel.core.names import check_name

Q = TypeVar("Q")
A = TypeVar("A")
Context = grpc.aio.ServicerContext[Q, Awaitable[A]]
MAX_REBUILDS = 100


class HistoryServicer(history_pb2_grpc.HistoryServiceServicer):
    """Serves HistoryService."""

    def __init__(self, parts: HistoryParts, signals: PassSignals) -> None:
        self._parts = parts
        self._signals = signals

    async def ListConversations(  # noqa: N802 - the names are the contract's
        self,
        request: pb.ListConversationsRequest,
        context: Context[pb.ListConversationsRequest, pb.ListConversationsResponse],
    ) -> pb.ListConversationsResponse:
        page = await self._parts.conversations.page(
            _caller(request.caller_id), request.limit, request.page_token
        )
        return pb.ListConversationsResponse(
            conversations=[
                pb.Conversation(
                    conversation_id=one.conversation,
                    last=_entry(one.last),
                    unread=one.unread,
                    undelivered=one.undelivered,
                    pinned=one.settings.is_pinned,
                    muted=one.settings.is_muted,
                )
                for one in page.listed
            ],
            next_page_token=page.next_token,
            total_unread=page.total_unread,
        )

    async def ChangeConversation(  # noqa: N802
        self,
        request: pb.ChangeConversationRequest,
        context: Context[pb.ChangeConversationRequest, pb.ChangeConversationResponse],
    ) -> pb.ChangeConversationResponse:
        settings = await self._parts.conversations.change(
            _caller(request.caller_id),
            request.conversation_id,
            is_pinned=request.pinned if request.HasField("pinned") else None,
            is_muted=request.muted if request.HasField("muted") else None,
        )
        return pb.ChangeConversationResponse(pinned=settings.is_pinned, muted=settings.is_muted)

    async def ReadHistory(  # noqa: N802
        self,
        request: pb.ReadHistoryRequest,
        context: Context[pb.ReadHistoryRequest, pb.ReadHistoryResponse],
    ) -> pb.ReadHistoryResponse:
        where = request.WhichOneof("position")
        position = Position(**{where: getattr(request, where)}) if where else Position()
        page = await self._parts.reader.read(
            _caller(request.caller_id), request.conversation_id, position, request.limit
        )
        return pb.ReadHistoryResponse(
            entries=[_entry(one) for one in page.shown],
            has_older=page.has_older,
            has_newer=page.has_newer,
        )

    async def Search(  # noqa: N802
        self,
        request: pb.SearchRequest,
        context: Context[pb.SearchRequest, pb.SearchResponse],
    ) -> pb.SearchResponse:
        page = await self._parts.search.search(
            _caller(request.caller_id),
            request.query,
            request.limit,
            conversation=request.conversation_id,
            before=request.before,
        )
        return pb.SearchResponse(
            entries=[_entry(one) for one in page.shown], next_before=page.next_before
        )

    async def PullRecent(  # noqa: N802
        self,
        request: pb.PullRecentRequest,
        context: Context[pb.PullRecentRequest, pb.PullRecentResponse],
    ) -> pb.PullRecentResponse:
        user = _caller(request.caller_id)
        page, unread = await asyncio.gather(
            self._parts.recent.pull(user, request.conversations, request.messages),
            self._parts.unread_of(user),
        )
        answer = pb.PullRecentResponse(has_more=page.has_more)
        for conversation, total, first in page.conversations:
            recent = answer.conversations.add(
                conversation_id=conversation,
                undelivered=total,
                unread=unread.get(conversation, 0),
            )
            for seq, message in first:
                recent.entries.add(seq=seq).message.MergeFromString(message)
        return answer

    async def MarkPulled(  # noqa: N802
        self,
        request: pb.MarkPulledRequest,
        context: Context[pb.MarkPulledRequest, pb.MarkPulledResponse],
    ) -> pb.MarkPulledResponse:
        ids = {name: _message_id(one) for name, one in request.message_ids.items()}
        trimmed = await self._parts.recent.mark_pulled(_caller(request.caller_id), ids)
        return pb.MarkPulledResponse(
            conversations=[
                pb.PulledConversation(conversation_id=name, removed=one.removed, left=one.left)
                for name, one in sorted(trimmed.items())
            ]
        )

    async def MarkRead(  # noqa: N802
        self,
        request: pb.MarkReadRequest,
        context: Context[pb.MarkReadRequest, pb.MarkReadResponse],
    ) -> pb.MarkReadResponse:
        user, conversation = _caller(request.caller_id), request.conversation_id
        place = Placement(user, conversation, _message_id(request.message_id))
        entry = (await self._parts.stores.conversations.placed([place])).get(place)
        if entry is None:
            raise no_such_message(conversation, place.message_id)
        await self._signals.read(Signal(SignalKind.READ, user, conversation, "", place.message_id))
        unread = await self._parts.unread_of(user)
        return pb.MarkReadResponse(unread=unread.get(conversation, 0), seq=entry.seq)

    async def Rebuild(  # noqa: N802
        self,
        request: pb.RebuildRequest,
        context: Context[pb.RebuildRequest, pb.RebuildResponse],
    ) -> pb.RebuildResponse:
        if request.user_id:
            users, next_after = [_caller(request.user_id, "user_id")], ""
        else:
            check_limit(request.limit, MAX_REBUILDS, "limit")
            users = await self._parts.stores.conversations.users(request.after, request.limit)
            next_after = users[-1] if len(users) == request.limit else ""
        rebuilt = 0
        for user in users:
            rebuilt += await self._parts.rebuild(user)
        return pb.RebuildResponse(rebuilt=rebuilt, next_after=next_after)


def _caller(user: str, what: str = "caller_id") -> str:
    return check_name(user, what)


def _message_id(value: int) -> int:
    if not 1 <= value <= MAX_MESSAGE_ID:
        raise invalid(f"message_id must be 1 to {MAX_MESSAGE_ID}, not {value}")
    return value


def _entry(shown: Shown) -> types_pb2.Entry:
    entry = types_pb2.Entry(seq=shown.entry.seq, late=shown.entry.late)
    entry.message.MergeFromString(shown.message)
    return entry
