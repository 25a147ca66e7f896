"""Logic's inbound edge: the links of Access pods, and the unary calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc

from services.logic.desk import Desk
from services.logic.link import AccessLink, LinkTable
from services.logic.translate import read_to_wire, revocation_to_wire
from services.logic.usecases.groups import Groups
from services.logic.usecases.list_reads import ListReads
from services.logic.usecases.mint_ids import MintIds
from whimbrel.api.logic.v1 import logic_pb2, logic_pb2_grpc
from whimbrel.core.errors import invalid
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.revocation_store import RevocationStore

log = get_logger(__name__)

# The handler reads and writes by hand, so the stub's iterator types do not describe it.
_LinkContext = grpc.aio.ServicerContext[Any, Any]


class LogicServicer(logic_pb2_grpc.LogicServiceServicer):
    """Moves frames between the streams and the desk, and nothing else."""

    def __init__(
        self,
        desk: Desk,
        links: LinkTable,
        groups: Groups,
        reads: ListReads,
        ids: MintIds,
        revocations: RevocationStore,
    ) -> None:
        self._desk = desk
        self._links = links
        self._groups = groups
        self._reads = reads
        self._ids = ids
        self._revocations = revocations

    async def Link(  # type: ignore[override]  # noqa: N802 - the name is the contract's
        self,
        request_iterator: AsyncIterator[logic_pb2.LinkRequest],
        context: _LinkContext,
    ) -> None:
        link = AccessLink(self._ids)
        first = await anext(aiter(request_iterator), None)
        if first is None:
            return
        if not first.HasField("hello") or not first.hello.pod_id:
            raise invalid("the first frame of a link must carry hello")
        link.pod_id, link.incarnation = first.hello.pod_id, first.hello.incarnation
        link.frame(0)
        self._links.add(link)
        log.info("link_opened", peer=link.pod_id)
        try:
            self._desk.take(first, link)
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(request_iterator, link))
                await self._write(context, link)
                reader.cancel()
        finally:
            self._links.remove(link)
            log.info("link_closed", peer=link.pod_id)

    async def _read(self, requests: AsyncIterator[logic_pb2.LinkRequest], link: AccessLink) -> None:
        async for request in requests:
            self._desk.take(request, link)
        link.close()

    async def _write(
        self,
        context: _LinkContext,
        link: AccessLink,
    ) -> None:
        while (frame := await link.next_frame()) is not None:
            await context.write(frame)

    async def CreateGroup(  # noqa: N802
        self,
        request: logic_pb2.CreateGroupRequest,
        context: grpc.aio.ServicerContext[
            logic_pb2.CreateGroupRequest, Awaitable[logic_pb2.CreateGroupResponse]
        ],
    ) -> logic_pb2.CreateGroupResponse:
        conversation = await self._groups.create(
            request.owner_id, list(request.member_ids), request.name, request.client_group_id
        )
        return logic_pb2.CreateGroupResponse(conversation_id=conversation)

    async def ListMembers(  # noqa: N802
        self,
        request: logic_pb2.ListMembersRequest,
        context: grpc.aio.ServicerContext[
            logic_pb2.ListMembersRequest, Awaitable[logic_pb2.ListMembersResponse]
        ],
    ) -> logic_pb2.ListMembersResponse:
        members = await self._groups.members(request.caller_id, request.conversation_id)
        return logic_pb2.ListMembersResponse(member_ids=members)

    async def ListReads(  # noqa: N802
        self,
        request: logic_pb2.ListReadsRequest,
        context: grpc.aio.ServicerContext[
            logic_pb2.ListReadsRequest, Awaitable[logic_pb2.ListReadsResponse]
        ],
    ) -> logic_pb2.ListReadsResponse:
        reads = await self._reads.list(request.caller_id, request.conversation_id)
        return logic_pb2.ListReadsResponse(reads=[read_to_wire(one) for one in reads])

    async def ListRevocations(  # noqa: N802
        self,
        request: logic_pb2.ListRevocationsRequest,
        context: grpc.aio.ServicerContext[
            logic_pb2.ListRevocationsRequest, Awaitable[logic_pb2.ListRevocationsResponse]
        ],
    ) -> logic_pb2.ListRevocationsResponse:
        page = await self._revocations.since(request.mark_ms)
        return logic_pb2.ListRevocationsResponse(
            revocations=[revocation_to_wire(one) for one in page.revocations],
            mark_ms=page.mark_ms,
            has_more=page.has_more,
        )
