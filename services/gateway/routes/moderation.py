"""Reports of users; and for administrators what came of them: cases, risk, broadcasts."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, JsonValue, StringConstraints

from services.gateway.caller import Admin, Caller
from services.gateway.fields import Id64, Name, PageSize, PathName, RequestBody
from services.gateway.parts import PartsDep
from whimbrel.api.moderation.v1 import moderation_pb2 as pb
from whimbrel.api.moderation.v1.moderation_pb2_grpc import ModerationServiceStub
from whimbrel.core.errors import invalid
from whimbrel.runtime.logic_pods import ask

router = APIRouter(prefix="/v1", tags=["moderation"])

MAX_BROADCAST_USERS: Final = 1000
MAX_BROADCAST_BYTES: Final = 65_536
BROADCAST_SECONDS: Final = 12.0
"""For a broadcast, which is up to a thousand messages: what a request has, less a margin."""

BeforeMs = Annotated[int, Query(ge=0, le=2**53 - 1)]
"""Milliseconds since the Unix epoch; 0: now."""


class Report(RequestBody):
    """A complaint."""

    user_id: Name
    """About whom."""
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
    message_id: Id64 | None = None
    """The message that it is about."""


class RiskChange(RequestBody):
    """Points to add."""

    points: Annotated[float, Field(gt=-1e6, lt=1e6, allow_inf_nan=False)]
    """Negative: to take away."""


class Broadcast(RequestBody):
    """Something to say to many. Either `text` or `content`."""

    broadcast_id: Name
    """A name of the administrator's own; the same (broadcast_id, user) is said once."""
    user_ids: Annotated[list[Name], Field(min_length=1, max_length=MAX_BROADCAST_USERS)]
    text: Annotated[str, Field(min_length=1)] | None = None
    content: dict[str, JsonValue] | None = None
    """What only the clients understand."""

    def written(self) -> bytes:
        """The body of its system message. Raises INVALID_ARGUMENT."""
        if (self.text is None) == (self.content is None):
            raise invalid("give one of text and content")
        said: dict[str, Any] = {"type": "broadcast"}
        said |= {"text": self.text} if self.content is None else {"content": self.content}
        try:
            written = json.dumps(said, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):  # NaN, half a surrogate, nested without end
            raise invalid("content: is no JSON that every client can read") from None
        if len(written) > MAX_BROADCAST_BYTES:
            raise invalid(f"a broadcast has at most {MAX_BROADCAST_BYTES:,} bytes")
        return written


class ReportAnswer(BaseModel):
    """A complaint, the last one of this reporter about this user."""

    reporter_id: str
    user_id: str
    reason: str
    message_id: str | None
    at_ms: int


class FlaggedAnswer(BaseModel):
    """A message in which words were found; it may have been rejected."""

    sender_id: str
    sender_device_id: str
    client_message_id: str
    conversation_id: str
    words: list[str]
    at_ms: int


class RiskAnswer(BaseModel):
    """The risk points of a user, from reports and administrators."""

    user_id: str
    points: float
    """Decays by half in a day; from 100 on the user's messages are rejected with AT_RISK."""


class BroadcastAnswer(BaseModel):
    """What came of a broadcast."""

    failed_ids: list[str]
    """Those whom it could not be said to: ask again for them, with the same broadcast_id."""


@router.post("/reports", status_code=204)
async def report_user(body: Report, caller: Caller, parts: PartsDep) -> Response:
    """Complain about a user; once a day it counts."""
    await parts.accounts.need([body.user_id])
    request = pb.ReportUserRequest(
        caller_id=caller.user_id,
        user_id=body.user_id,
        reason=body.reason,
        message_id=int(body.message_id or 0),
    )
    await ask(
        parts.logic, body.user_id, ModerationServiceStub, lambda stub: stub.ReportUser, request
    )
    return Response(status_code=204)


@router.get("/admin/reports")
async def list_reports(
    admin: Admin, parts: PartsDep, before_ms: BeforeMs = 0, limit: PageSize = 50
) -> list[ReportAnswer]:
    """Complaints, the newest first: those before this time."""
    request = pb.ListReportsRequest(before_ms=before_ms, limit=limit)
    page = await ask(
        parts.logic, admin.user_id, ModerationServiceStub, lambda stub: stub.ListReports, request
    )
    return [
        ReportAnswer(
            reporter_id=one.reporter_id,
            user_id=one.user_id,
            reason=one.reason,
            message_id=str(one.message_id) if one.message_id else None,
            at_ms=one.at_ms,
        )
        for one in page.reports
    ]


@router.get("/admin/flagged")
async def list_flagged(
    admin: Admin, parts: PartsDep, before_ms: BeforeMs = 0, limit: PageSize = 50
) -> list[FlaggedAnswer]:
    """Messages in which words were found, the newest first: those before this time."""
    request = pb.ListFlaggedRequest(before_ms=before_ms, limit=limit)
    page = await ask(
        parts.logic, admin.user_id, ModerationServiceStub, lambda stub: stub.ListFlagged, request
    )
    return [
        FlaggedAnswer(
            sender_id=one.sender_id,
            sender_device_id=one.sender_device_id,
            client_message_id=one.client_message_id,
            conversation_id=one.conversation_id,
            words=list(one.words),
            at_ms=one.at_ms,
        )
        for one in page.flagged
    ]


@router.get("/admin/risks/{user_id}")
async def read_risk(user_id: PathName, admin: Admin, parts: PartsDep) -> RiskAnswer:
    """A user's risk points."""
    await parts.accounts.need([user_id])
    request = pb.GetRiskRequest(user_id=user_id)
    answer = await ask(
        parts.logic, user_id, ModerationServiceStub, lambda stub: stub.GetRisk, request
    )
    return RiskAnswer(user_id=user_id, points=answer.points)


@router.post("/admin/risks/{user_id}")
async def adjust_risk(
    user_id: PathName, body: RiskChange, admin: Admin, parts: PartsDep
) -> RiskAnswer:
    """Add points to a user's risk; the same again adds them again. Holds within 2 s."""
    await parts.accounts.need([user_id])
    await parts.administer.record(admin.user_id, "risk.adjust", user_id, points=str(body.points))
    request = pb.AdjustRiskRequest(user_id=user_id, points=body.points)
    answer = await ask(
        parts.logic, user_id, ModerationServiceStub, lambda stub: stub.AdjustRisk, request
    )
    return RiskAnswer(user_id=user_id, points=answer.points)


@router.post("/admin/broadcasts")
async def broadcast(body: Broadcast, admin: Admin, parts: PartsDep) -> BroadcastAnswer:
    """Say something to each of these users, in their direct conversation with "system"."""
    content = body.written()
    await parts.accounts.need(body.user_ids)
    await parts.administer.record(
        admin.user_id,
        "broadcast",
        body.broadcast_id,
        users=str(len(body.user_ids)),
        bytes=str(len(content)),
    )
    request = pb.BroadcastRequest(
        user_ids=body.user_ids, content=content, broadcast_id=body.broadcast_id
    )
    answer = await ask(
        parts.logic,
        admin.user_id,
        ModerationServiceStub,
        lambda stub: stub.Broadcast,
        request,
        seconds=BROADCAST_SECONDS,
    )
    return BroadcastAnswer(failed_ids=list(answer.failed_ids))
