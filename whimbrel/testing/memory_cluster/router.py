"""The Router, as Access and Logic see it, over a MemoryDirectory and without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import grpc

from services.router.ports import Directory
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.errors import trailing_metadata

Wait = Callable[[], float]


class MemoryRouter:
    """The calls of RouterServiceStub that Access makes. `wait` gives the seconds of each way."""

    def __init__(self, directory: Directory, wait: Wait) -> None:
        self._directory = directory
        self._wait = wait

    async def Attach(  # noqa: N802 - the contract names the methods
        self, request: router_pb2.AttachRequest, timeout: float
    ) -> router_pb2.AttachResponse:
        """See router.proto."""
        return router_pb2.AttachResponse(
            attachments=await self._ask(self._directory.attach, request.sessions)
        )

    def AttachStream(self) -> MemoryAttachStream:  # noqa: N802
        """See router.proto."""
        return MemoryAttachStream(self)

    async def Assert(  # noqa: N802
        self, request: router_pb2.AssertRequest, timeout: float
    ) -> router_pb2.AssertResponse:
        """See router.proto."""
        return router_pb2.AssertResponse(
            assertions=await self._ask(self._directory.reassert, request.sessions)
        )

    async def Detach(  # noqa: N802
        self, request: router_pb2.DetachRequest, timeout: float
    ) -> router_pb2.DetachResponse:
        """See router.proto."""
        await self._ask(self._directory.detach, request.sessions)
        return router_pb2.DetachResponse()

    async def _ask(self, operation: Callable, sessions: Sequence[router_pb2.Session]):  # type: ignore[no-untyped-def,type-arg]
        await asyncio.sleep(self._wait())
        try:
            answer = await operation(sessions)
        except WhimbrelError as error:
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE,
                grpc.aio.Metadata(),
                grpc.aio.Metadata(*trailing_metadata(error)),
                error.detail,
            ) from error
        await asyncio.sleep(self._wait())
        return answer


class MemoryAttachStream:
    """What the stub returns: one question at a time, which is all that Access asks."""

    def __init__(self, router: MemoryRouter) -> None:
        self._router = router
        self._asked = router_pb2.AttachRequest()

    async def write(self, request: router_pb2.AttachStreamRequest) -> None:
        """As StreamStreamCall.write."""
        self._asked = request.attach

    async def read(self) -> router_pb2.AttachStreamResponse:
        """As StreamStreamCall.read."""
        attached = await self._router.Attach(self._asked, timeout=0.0)
        return router_pb2.AttachStreamResponse(attached=attached)

    def done(self) -> bool:
        """Nothing breaks here: errors are those of single questions."""
        return False

    def cancel(self) -> bool:
        """Nobody asks any more."""
        return True


class MemoryLocator:
    """Logic's port Locator over the same directory."""

    def __init__(self, directory: Directory, wait: Wait) -> None:
        self._directory = directory
        self._wait = wait

    async def locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        """See services.logic.ports."""
        await asyncio.sleep(self._wait())
        found = await self._directory.locate(users)
        await asyncio.sleep(self._wait())
        return {
            user: list(dict.fromkeys(route.pod_id for route in routes.routes))
            for user, routes in zip(users, found, strict=True)
        }
