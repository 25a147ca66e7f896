"""A real gRPC server on port 0 that plays the server's side of the client protocol by script.

One script per stream, in the order in which the streams come; a script is a coroutine that
reads and writes frames. When scripts run out, a stream is refused with UNAVAILABLE.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

import grpc

from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.testing.scripted_stream import Context, ScriptedStream, StreamGoneError

Script = Callable[[ScriptedStream], Awaitable[None]]


class ScriptedAccess(access_pb2_grpc.AccessServiceServicer):
    """The server. An async context manager; `endpoint` is where it listens."""

    def __init__(self, *scripts: Script) -> None:
        self.endpoint = ""
        self.hellos: list[access_pb2.Hello] = []
        self.problems: list[BaseException] = []
        self.open_streams = 0
        self._scripts = deque(scripts)
        self._server = grpc.aio.server(
            options=(("grpc.so_reuseport", 0), ("grpc.http2.bdp_probe", 0))
        )

    async def __aenter__(self) -> Self:
        access_pb2_grpc.add_AccessServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.endpoint = f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.stop(0)
        if error is None and self.problems:
            raise self.problems[0]

    async def Connect(  # type: ignore[override] # noqa: N802 - the reader and writer style
        self, request_iterator: AsyncIterator[access_pb2.ConnectRequest], context: Context
    ) -> None:
        """One stream, by the next script."""
        first = await context.read()
        assert isinstance(first, access_pb2.ConnectRequest)
        self.hellos.append(first.hello)
        self.open_streams += 1
        try:
            if not self._scripts:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "no script is left")
            await self._scripts.popleft()(ScriptedStream(context, first.hello))
        except (AssertionError, StreamGoneError) as problem:
            self.problems.append(problem)
        finally:
            self.open_streams -= 1

    async def CreateGroup(  # noqa: N802
        self,
        request: access_pb2.CreateGroupRequest,
        context: grpc.aio.ServicerContext[
            access_pb2.CreateGroupRequest, Awaitable[access_pb2.CreateGroupResponse]
        ],
    ) -> access_pb2.CreateGroupResponse:
        """The group is named after its client_group_id; unavailable for the first call."""
        if request.name == "refused":
            context.set_trailing_metadata((("whimbrel-code", "PERMISSION_DENIED"),))
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")
        self.group_calls += 1
        if self.group_calls == 1:
            context.set_trailing_metadata(
                (("whimbrel-code", "UNAVAILABLE"), ("whimbrel-retry-after-ms", "10"))
            )
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return access_pb2.CreateGroupResponse(conversation_id=f"g:{request.client_group_id}")

    async def ListMembers(  # noqa: N802
        self,
        request: access_pb2.ListMembersRequest,
        context: grpc.aio.ServicerContext[
            access_pb2.ListMembersRequest, Awaitable[access_pb2.ListMembersResponse]
        ],
    ) -> access_pb2.ListMembersResponse:
        """Who is in every conversation: alice and bob, for who has a token."""
        metadata = dict(context.invocation_metadata() or ())
        assert metadata["authorization"] == "Bearer token-alice"
        return access_pb2.ListMembersResponse(member_ids=["alice", "bob"])

    async def ListReads(  # noqa: N802
        self,
        request: access_pb2.ListReadsRequest,
        context: grpc.aio.ServicerContext[
            access_pb2.ListReadsRequest, Awaitable[access_pb2.ListReadsResponse]
        ],
    ) -> access_pb2.ListReadsResponse:
        """Bob has read up to 7 of every conversation."""
        answer = access_pb2.ListReadsResponse()
        answer.reads.add(conversation_id=request.conversation_id, user_id="bob", message_id=7)
        return answer

    group_calls = 0
