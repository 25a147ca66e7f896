"""A scripted Logic that speaks real gRPC, and that notes what it was told.

It keeps no promises of its own: a test says what it knows and what it answers.
"""

# ruff: noqa: N802 - the contract names the methods

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from services.logic.translate import revocation_to_wire
from tests.component.access.notebook import Notebook
from whimbrel.api.logic.v1 import logic_pb2, logic_pb2_grpc
from whimbrel.api.router.v1 import router_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.testing.memory_stores.revocations import MemoryRevocationStore


class FakeLogic(logic_pb2_grpc.LogicServiceServicer, Notebook):
    """Timelines in memory. What it receives is in lists; what it answers can be held back."""

    def __init__(self, pod_id: str = "logic-0") -> None:
        Notebook.__init__(self)
        self.pod = router_pb2.Pod(
            pod_id=pod_id,
            incarnation="i1",
            role=router_pb2.POD_ROLE_LOGIC,
            state=router_pb2.POD_STATE_ACTIVE,
        )
        self.timelines: dict[str, dict[int, types_pb2.Entry]] = {}
        self.cursors: dict[tuple[str, str], int] = {}
        self.message_id = 0
        self.hellos: list[logic_pb2.LinkHello] = []
        self.sends: list[logic_pb2.SendRequest] = []
        self.attaches: list[logic_pb2.AttachRequest] = []
        self.fetches: list[logic_pb2.FetchRequest] = []
        self.head_checks: list[logic_pb2.HeadCheck] = []
        self.stores: list[logic_pb2.Cursor] = []
        self.unacknowledged: list[logic_pb2.Unacknowledged] = []
        self.superseded: list[logic_pb2.Superseded] = []
        self.signals: list[logic_pb2.RaisedSignal] = []
        self.watches: list[logic_pb2.WatchRequest] = []
        self.presence_changes: list[str] = []
        self.groups: list[logic_pb2.CreateGroupRequest] = []
        self.revocations = MemoryRevocationStore()
        self.revocation_asks = 0
        self.answers_revocations = True
        self.highest: list[int] = []
        self.takes_links = True
        self.answers_sends = True
        self.answers_attaches = True
        self.answers_fetches = True
        self.confirms_cursors = True
        self.refuses: logic_pb2.Refused | None = None
        self.links: list[asyncio.Queue[logic_pb2.LinkResponse | None]] = []

    async def ListRevocations(
        self, request: logic_pb2.ListRevocationsRequest, context: Any
    ) -> logic_pb2.ListRevocationsResponse:
        self.revocation_asks += 1
        if not self.answers_revocations:
            await asyncio.Event().wait()
        page = await self.revocations.since(request.mark_ms)
        rows = [revocation_to_wire(one) for one in page.revocations]
        return logic_pb2.ListRevocationsResponse(
            revocations=rows, mark_ms=page.mark_ms, has_more=page.has_more
        )

    # --- what a test does ----------------------------------------------------------------

    def write(
        self, user: str, *seqs: int, size: int = 2, sender: str = "alice", late: bool = False
    ) -> None:
        """Commit messages at these seqs; nobody is told."""
        for seq in seqs:
            self.message_id += 1
            message = types_pb2.Message(
                message_id=self.message_id,
                conversation_id=f"d:{sender}:{user}",
                sender_id=sender,
                body=types_pb2.Body(kind=types_pb2.BODY_KIND_TEXT, content=b"x" * size),
            )
            self.timelines.setdefault(user, {})[seq] = types_pb2.Entry(
                seq=seq, message=message, late=late
            )

    def push(self, user: str, *seqs: int) -> None:
        """Push committed entries, in this order, in one batch."""
        batch = logic_pb2.LinkResponse()
        for seq in seqs:
            entry = self.timelines[user][seq]
            batch.deliveries.add(message=entry.message).targets.add(
                user_id=user, seq=seq, late=entry.late
            )
        self.say(batch)

    def say(self, batch: logic_pb2.LinkResponse) -> None:
        """Put a batch on every link."""
        for link in self.links:
            link.put_nowait(batch)

    def break_links(self) -> None:
        """End every link, without answering anything."""
        for link in self.links:
            link.put_nowait(None)

    def head(self, user: str) -> int:
        return max(self.timelines.get(user, {}), default=0)

    # --- what Access sees ----------------------------------------------------------------

    async def Link(self, request_iterator: Any, context: Any) -> None:  # type: ignore[override]
        if not self.takes_links:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        out: asyncio.Queue[logic_pb2.LinkResponse | None] = asyncio.Queue()
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(self._read(_requests(context), out))
            try:
                while (batch := await out.get()) is not None:
                    await context.write(batch)
            except grpc.aio.BaseError:
                pass  # the pod has gone
            finally:
                if out in self.links:
                    self.links.remove(out)
                self.note()
                reader.cancel()

    async def _read(
        self, requests: AsyncIterator[logic_pb2.LinkRequest], out: asyncio.Queue[Any]
    ) -> None:
        async for request in requests:
            self.highest.append(request.highest_message_id)
            answer = logic_pb2.LinkResponse(highest_message_id=self.message_id)
            if request.HasField("hello"):
                self.hellos.append(request.hello)
                self.links.append(out)
                out.put_nowait(answer)
                self.note()
                continue
            self._answer_sends(request, answer)
            self._answer_reads(request, answer)
            self.stores.extend(request.cursors)
            if self.confirms_cursors:
                for cursor in request.cursors:
                    self.cursors[cursor.user_id, cursor.device_id] = cursor.cursor
                answer.stored_cursors.extend(request.cursors)
            self.unacknowledged.extend(request.unacknowledged)
            self.superseded.extend(request.superseded)
            self.signals.extend(request.signals)
            self.watches.extend(request.watches)
            self.presence_changes.extend(one.user_id for one in request.presence_changes)
            self.note()
            if answer.ByteSize():
                out.put_nowait(answer)
        out.put_nowait(None)

    def _answer_sends(self, request: logic_pb2.LinkRequest, answer: logic_pb2.LinkResponse) -> None:
        for send in request.sends:
            self.sends.append(send)
            if self.refuses is not None:
                answer.results.add(ref=send.ref, refused=self.refuses)
            elif self.answers_sends:
                users = set(send.conversation_id.split(":")[1:]) | {send.sender_id}
                for user in sorted(users):
                    self.write(user, self.head(user) + 1, sender=send.sender_id)
                    entry = self.timelines[user][self.head(user)]
                    answer.deliveries.add(message=entry.message).targets.add(
                        user_id=user, seq=entry.seq
                    )
                answer.results.add(ref=send.ref).stored.CopyFrom(
                    logic_pb2.Stored(message_id=self.message_id, seq=self.head(send.sender_id))
                )

    def _answer_reads(self, request: logic_pb2.LinkRequest, answer: logic_pb2.LinkResponse) -> None:
        for attach in request.attaches:
            self.attaches.append(attach)
            stored = self.cursors.get((attach.user_id, attach.device_id), 0)
            cursor = max(stored, attach.cursor)
            head = self.head(attach.user_id)
            if not self.answers_attaches:
                continue
            if cursor > head:
                refused = logic_pb2.Refused(code=types_pb2.ERROR_CODE_SEQ_AHEAD)
                answer.attach_results.add(ref=attach.ref, refused=refused)
                continue
            page = self._page(attach.user_id, cursor + 1, attach.limit)
            answer.attach_results.add(ref=attach.ref, cursor=cursor, head=head, entries=page)
        for fetch in request.fetches:
            self.fetches.append(fetch)
            if self.answers_fetches:
                answer.fetch_results.add(
                    ref=fetch.ref,
                    entries=self._page(fetch.user_id, fetch.from_seq, fetch.limit),
                    head=self.head(fetch.user_id),
                )
        for check in request.head_checks:
            self.head_checks.append(check)
            if self.head(check.user_id) >= check.next_seq:
                answer.head_news.add(user_id=check.user_id, head=self.head(check.user_id))

    def _page(self, user: str, from_seq: int, limit: int) -> list[types_pb2.Entry]:
        page: list[types_pb2.Entry] = []
        room = 512 * 1024  # a batch has at most 1 MiB
        for seq in range(from_seq, from_seq + limit):
            entry = self.timelines.get(user, {}).get(seq)
            if entry is None or entry.ByteSize() > room:
                break
            room -= entry.ByteSize()
            page.append(entry)
        return page

    async def CreateGroup(self, request: logic_pb2.CreateGroupRequest, context: Any) -> Any:
        self.groups.append(request)
        return logic_pb2.CreateGroupResponse(conversation_id="g:1")

    async def ListMembers(self, request: logic_pb2.ListMembersRequest, context: Any) -> Any:
        if request.caller_id == "mallory":
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                "not a member",
                trailing_metadata=(("whimbrel-code", "NOT_A_MEMBER"),),
            )
        return logic_pb2.ListMembersResponse(member_ids=["alice", "bob"])

    async def ListReads(self, request: logic_pb2.ListReadsRequest, context: Any) -> Any:
        answer = logic_pb2.ListReadsResponse()
        answer.reads.add(conversation_id=request.conversation_id, user_id="bob", message_id=7)
        return answer


async def _requests(context: Any) -> AsyncIterator[logic_pb2.LinkRequest]:
    while isinstance(request := await context.read(), logic_pb2.LinkRequest):
        yield request
