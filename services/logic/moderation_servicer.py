"""ModerationService: from the wire to `Moderate` and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc

from services.logic.domain.words import Action
from services.logic.usecases.moderate import Moderate
from whimbrel.api.moderation.v1 import moderation_pb2, moderation_pb2_grpc
from whimbrel.core.errors import invalid

_Context = grpc.aio.ServicerContext[Any, Any]


class ModerationServicer(moderation_pb2_grpc.ModerationServiceServicer):
    """One per process."""

    def __init__(self, moderate: Moderate) -> None:
        self._moderate = moderate

    async def PutWords(  # noqa: N802 - the names are the contract's
        self, request: moderation_pb2.PutWordsRequest, context: _Context
    ) -> moderation_pb2.PutWordsResponse:
        await self._moderate.put_words(_words(request.words))
        return moderation_pb2.PutWordsResponse()

    async def RemoveWords(  # noqa: N802
        self, request: moderation_pb2.RemoveWordsRequest, context: _Context
    ) -> moderation_pb2.RemoveWordsResponse:
        await self._moderate.remove_words(list(request.texts))
        return moderation_pb2.RemoveWordsResponse()

    async def ReplaceWords(  # noqa: N802
        self, request: moderation_pb2.ReplaceWordsRequest, context: _Context
    ) -> moderation_pb2.ReplaceWordsResponse:
        await self._moderate.replace_words(_words(request.words))
        return moderation_pb2.ReplaceWordsResponse()

    async def ListWords(  # noqa: N802
        self, request: moderation_pb2.ListWordsRequest, context: _Context
    ) -> moderation_pb2.ListWordsResponse:
        response = moderation_pb2.ListWordsResponse()
        for text, action in await self._moderate.list_words(request.after, request.limit):
            response.words.add(text=text, action=moderation_pb2.WordAction.ValueType(action))
        return response

    async def ReportUser(  # noqa: N802
        self, request: moderation_pb2.ReportUserRequest, context: _Context
    ) -> moderation_pb2.ReportUserResponse:
        await self._moderate.report(
            request.caller_id, request.user_id, request.reason, request.message_id
        )
        return moderation_pb2.ReportUserResponse()

    async def ListReports(  # noqa: N802
        self, request: moderation_pb2.ListReportsRequest, context: _Context
    ) -> moderation_pb2.ListReportsResponse:
        response = moderation_pb2.ListReportsResponse()
        for one in await self._moderate.list_reports(request.before_ms, request.limit):
            response.reports.add(
                reporter_id=one.reporter,
                user_id=one.user,
                reason=one.reason,
                message_id=one.message_id,
                at_ms=one.at_ms,
            )
        return response

    async def ListFlagged(  # noqa: N802
        self, request: moderation_pb2.ListFlaggedRequest, context: _Context
    ) -> moderation_pb2.ListFlaggedResponse:
        response = moderation_pb2.ListFlaggedResponse()
        for one in await self._moderate.list_flagged(request.before_ms, request.limit):
            response.flagged.add(
                sender_id=one.sender,
                sender_device_id=one.device,
                client_message_id=one.client_message_id,
                conversation_id=one.conversation,
                words=one.words,
                at_ms=one.at_ms,
            )
        return response

    async def GetRisk(  # noqa: N802
        self, request: moderation_pb2.GetRiskRequest, context: _Context
    ) -> moderation_pb2.GetRiskResponse:
        return moderation_pb2.GetRiskResponse(points=await self._moderate.risk(request.user_id))

    async def AdjustRisk(  # noqa: N802
        self, request: moderation_pb2.AdjustRiskRequest, context: _Context
    ) -> moderation_pb2.AdjustRiskResponse:
        points = await self._moderate.adjust_risk(request.user_id, request.points)
        return moderation_pb2.AdjustRiskResponse(points=points)

    async def Broadcast(  # noqa: N802
        self, request: moderation_pb2.BroadcastRequest, context: _Context
    ) -> moderation_pb2.BroadcastResponse:
        failed = await self._moderate.broadcast(
            list(request.user_ids), request.content, request.broadcast_id
        )
        return moderation_pb2.BroadcastResponse(failed_ids=list(failed))


def _words(words: Iterable[moderation_pb2.Word]) -> dict[str, Action]:
    try:
        return {word.text: Action(word.action) for word in words}
    except ValueError:
        raise invalid("a word's action must be FLAG, MASK or REJECT") from None
