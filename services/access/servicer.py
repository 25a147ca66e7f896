"""The inbound edge: what clients call. Streams go to their driver, unary calls on to Logic."""

# ruff: noqa: N802 - the contract names the methods

from __future__ import annotations

from typing import Any, Final

import grpc

from services.access.client_stream import ClientStream
from services.access.handshake import Handshake
from services.access.leaving import leave
from services.access.links import Links
from services.access.refusals import StreamRefusedError
from services.access.revocations import REVOKED
from services.access.stream_driver import StreamDriver
from services.access.stream_services import StreamServices
from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError
from whimbrel.core.revocations import RevocationTable
from whimbrel.runtime.errors import error_from_rpc
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.tokens import TokenVerifier

_log = get_logger(__name__)

_CALL_SECONDS: Final = 5.0
_BEARER: Final = "bearer "
_FLOOD: Final = CloseCode.RATE_LIMITED.name.lower()


class AccessServicer(access_pb2_grpc.AccessServiceServicer):
    """AccessService of one pod."""

    def __init__(
        self,
        services: StreamServices,
        handshake: Handshake,
        links: Links,
        tokens: TokenVerifier,
        revoked: RevocationTable,
    ) -> None:
        self._services = services
        self._handshake = handshake
        self._links = links
        self._tokens = tokens
        self._revoked = revoked
        self.open_streams: set[ClientStream] = set()
        """All streams, also those that have not said who they are."""

    # The stubs know only the form that yields; this one reads and writes on the context.
    async def Connect(self, request_iterator: Any, context: Any) -> None:  # type: ignore[override]
        """The stream."""
        driver = StreamDriver(self._services, self._handshake, context)
        self.open_streams.add(driver.stream)
        shell = self._services.shell
        try:
            try:
                shell.enter(driver.stream, context.peer(), context.invocation_metadata() or ())
            except StreamRefusedError as refusal:
                driver.stream.close(refusal.code, refusal.detail, refusal.retry_after_ms)
            await driver.run()
        finally:
            # However it ends, also by a second cancellation: no await from here on.
            shell.leave(driver.stream)
            leave(driver.stream)
            self.open_streams.discard(driver.stream)
            self._services.tally.end(driver.stream)
            _log_end(driver.stream, self._services.clock())

    async def CreateGroup(
        self, request: access_pb2.CreateGroupRequest, context: Any
    ) -> access_pb2.CreateGroupResponse:
        """Creates a group; Logic checks everything but the caller."""
        owner_id = self._caller(context)
        try:
            answer = await self._links.stub(owner_id).CreateGroup(
                logic_pb2.CreateGroupRequest(
                    owner_id=owner_id,
                    member_ids=request.member_ids,
                    name=request.name,
                    client_group_id=request.client_group_id,
                ),
                timeout=_CALL_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None
        return access_pb2.CreateGroupResponse(conversation_id=answer.conversation_id)

    async def ListMembers(
        self, request: access_pb2.ListMembersRequest, context: Any
    ) -> access_pb2.ListMembersResponse:
        """Lists the members of a conversation of the caller."""
        caller_id = self._caller(context)
        try:
            answer = await self._links.stub(caller_id).ListMembers(
                logic_pb2.ListMembersRequest(
                    caller_id=caller_id, conversation_id=request.conversation_id
                ),
                timeout=_CALL_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None
        return access_pb2.ListMembersResponse(member_ids=answer.member_ids)

    async def ListReads(
        self, request: access_pb2.ListReadsRequest, context: Any
    ) -> access_pb2.ListReadsResponse:
        """Lists how far the members of a conversation of the caller have read."""
        caller_id = self._caller(context)
        try:
            answer = await self._links.stub(caller_id).ListReads(
                logic_pb2.ListReadsRequest(
                    caller_id=caller_id, conversation_id=request.conversation_id
                ),
                timeout=_CALL_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None
        return access_pb2.ListReadsResponse(reads=answer.reads)

    def _caller(self, context: Any) -> str:
        for key, value in context.invocation_metadata() or ():
            if key == "authorization" and isinstance(value, str):
                if value[: len(_BEARER)].lower() != _BEARER:
                    break
                claims = self._tokens.verify(value[len(_BEARER) :].strip())
                if self._revoked.refuses(claims.credential):
                    raise WhimbrelError(ErrorCode.UNAUTHENTICATED, REVOKED)
                return claims.user_id
        raise WhimbrelError(ErrorCode.UNAUTHENTICATED, "authorization: Bearer TOKEN is missing")


def _log_end(stream: ClientStream, now: float) -> None:
    """The canonical line of a stream: who, for how long, how it ended, what it carried. A flood
    of those that nobody let in writes none."""
    if stream.end_reason == _FLOOD and not stream.user_id:
        return
    stats = stream.session.statistics()
    traffic = stream.session.traffic
    _log.info(
        "stream_closed",
        reason=stream.end_reason,
        user=stream.user_id,
        device=stream.device_id,
        platform=stream.platform,
        instance=stream.instance_id,
        attempt=stream.attempt,
        epoch=stream.epoch,
        seconds=round(now - stream.opened_at, 3),
        mode=stats.mode.value,
        cursor=stats.window.cursor,
        written=stats.window.written,
        head=stats.head,
        sent=stream.sent,
        delivered=traffic.delivered,
        delivered_bytes=traffic.delivered_bytes,
        redelivered=traffic.redelivered,
        acknowledged=traffic.acknowledged,
        unacknowledged=stream.session.in_flight,
        arrived_by_move=stream.arrived_at is not None,
        moved_on=stream.is_superseded and stream.end_reason == "fin",
    )
