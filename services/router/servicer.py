"""The Router's inbound edge: checks what comes in, asks the directory, answers.

It must not know Redis, and must not cache routes (rule 10).
"""

# ruff: noqa: N802 - the contract names the methods

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc

from services.router.domain.choice import DICE_BITS, choose_endpoints
from services.router.load import RouterLoad
from services.router.pod_feed import PodFeed
from services.router.ports import Directory
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.core.errors import invalid, unavailable
from whimbrel.core.names import check_name, check_platform

if TYPE_CHECKING:  # generic only in the stubs
    Context = grpc.aio.ServicerContext[Any, Any]

MAX_SESSIONS: Final = 1_000
MAX_USERS: Final = 5_000
DEFAULT_ENDPOINTS: Final = 3


class RouterServicer(router_pb2_grpc.RouterServiceServicer):
    """RouterService over a Directory and a PodFeed."""

    def __init__(self, directory: Directory, feed: PodFeed, *, lease_seconds: float) -> None:
        self._directory = directory
        self._feed = feed
        self._lease_ms = round(lease_seconds * 1000)
        self._long_streams: set[asyncio.Task[Any]] = set()
        self._is_closed = False
        self.load = RouterLoad()
        """What was asked here."""

    async def close(self) -> None:
        """The pod stops: end the long streams, whose other ends turn to another Router."""
        self._is_closed = True
        for task in self._long_streams:
            task.cancel()

    @contextmanager
    def _as_long_stream(self) -> Iterator[None]:
        """The call that runs is one that `close` ends: with a status, since a handler that is
        just cancelled leaves its client waiting, and the server with it."""
        task = asyncio.current_task()
        assert task is not None
        self._long_streams.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if self._is_closed and task.uncancel() == 0:
                raise unavailable("the Router stops", retry_after_seconds=0.0) from None
            raise
        finally:
            self._long_streams.discard(task)

    async def Register(
        self, request: router_pb2.RegisterRequest, context: Context
    ) -> router_pb2.RegisterResponse:
        pod = request.pod
        check_name(pod.pod_id, "pod_id")
        check_name(pod.incarnation, "incarnation")
        if not pod.role:
            raise invalid("pod.role must be set")
        if not pod.address:
            raise invalid("pod.address must be set: it is where the other pods call this one")
        lease = await self._directory.register(pod)
        return router_pb2.RegisterResponse(
            lease_ms=self._lease_ms, was_known=lease.was_known, registry_id=lease.registry_id
        )

    async def Unregister(
        self, request: router_pb2.UnregisterRequest, context: Context
    ) -> router_pb2.UnregisterResponse:
        await self._directory.unregister(request.pod_id, request.incarnation)
        return router_pb2.UnregisterResponse()

    async def WatchPods(
        self, request: router_pb2.WatchPodsRequest, context: Context
    ) -> AsyncIterator[router_pb2.WatchPodsResponse]:
        tables = self._feed.watch(
            frozenset(request.roles), load_interval_seconds=request.load_interval_ms / 1000
        )
        async for table in tables:
            yield router_pb2.WatchPodsResponse(pods=table.pods, registry_id=table.registry_id)

    async def Attach(
        self, request: router_pb2.AttachRequest, context: Context
    ) -> router_pb2.AttachResponse:
        _check_sessions(request.sessions)
        with self.load.asked("attach", len(request.sessions)):
            attachments = await self._directory.attach(request.sessions)
        return router_pb2.AttachResponse(attachments=attachments)

    async def AttachStream(
        self,
        request_iterator: AsyncIterator[router_pb2.AttachStreamRequest],
        context: Context,
    ) -> AsyncIterator[router_pb2.AttachStreamResponse]:
        with self._as_long_stream():
            async for request in request_iterator:
                attached = await self.Attach(request.attach, context)
                yield router_pb2.AttachStreamResponse(attached=attached)

    async def Assert(
        self, request: router_pb2.AssertRequest, context: Context
    ) -> router_pb2.AssertResponse:
        _check_sessions(request.sessions)
        with self.load.asked("assert", len(request.sessions)):
            assertions = await self._directory.reassert(request.sessions)
        return router_pb2.AssertResponse(assertions=assertions)

    async def Detach(
        self, request: router_pb2.DetachRequest, context: Context
    ) -> router_pb2.DetachResponse:
        _check_sessions(request.sessions)
        with self.load.asked("detach", len(request.sessions)):
            await self._directory.detach(request.sessions)
        return router_pb2.DetachResponse()

    async def Locate(
        self, request: router_pb2.LocateRequest, context: Context
    ) -> router_pb2.LocateResponse:
        if len(request.user_ids) > MAX_USERS:
            raise invalid(f"user_ids must be at most {MAX_USERS}")
        with self.load.asked("locate", len(request.user_ids)):
            return router_pb2.LocateResponse(users=await self._directory.locate(request.user_ids))

    async def LocateStream(
        self,
        request_iterator: AsyncIterator[router_pb2.LocateStreamRequest],
        context: Context,
    ) -> AsyncIterator[router_pb2.LocateStreamResponse]:
        with self._as_long_stream():
            async for request in request_iterator:
                located = await self.Locate(request.locate, context)
                yield router_pb2.LocateStreamResponse(located=located)

    async def ChooseEndpoints(
        self, request: router_pb2.ChooseEndpointsRequest, context: Context
    ) -> router_pb2.ChooseEndpointsResponse:
        endpoints = choose_endpoints(
            self._feed.pods,
            request.limit or DEFAULT_ENDPOINTS,
            random.getrandbits(DICE_BITS),
        )
        return router_pb2.ChooseEndpointsResponse(endpoints=endpoints)


def _check_sessions(sessions: Sequence[router_pb2.Session]) -> None:
    """Names go into a packed route: a "|" in one would make it another route. A platform that is
    not named gets its name here."""
    if len(sessions) > MAX_SESSIONS:
        raise invalid(f"sessions must be at most {MAX_SESSIONS}")
    for session in sessions:
        check_name(session.user_id, "user_id")
        check_name(session.device_id, "device_id")
        check_name(session.pod_id, "pod_id")
        check_name(session.incarnation, "incarnation")
        check_name(session.instance_id, "instance_id")
        session.platform = check_platform(session.platform)
