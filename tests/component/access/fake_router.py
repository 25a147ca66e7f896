"""A scripted Router that speaks real gRPC, and that notes what it was told.

It keeps no promises of its own: a test says what it knows and what it answers.
"""

# ruff: noqa: N802 - the contract names the methods

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from tests.component.access.notebook import Notebook
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc


class FakeRouter(router_pb2_grpc.RouterServiceServicer, Notebook):
    """One route per device; epochs count from 101."""

    def __init__(self) -> None:
        Notebook.__init__(self)
        self.registry_id = "r1"
        self.pods: dict[str, router_pb2.Pod] = {}
        self.registered: list[router_pb2.Pod] = []
        self.unregistered: list[str] = []
        self.attached: list[router_pb2.Session] = []
        self.asserted: list[router_pb2.Session] = []
        self.detached: list[router_pb2.Session] = []
        self.routes: dict[tuple[str, str], router_pb2.Session] = {}
        self.epoch = 100
        self.refuses_attempts = False
        self.knows_attach_stream = True
        self.attach_streams = 0
        self.is_away = False
        self.known = True
        self._table_changed = asyncio.Event()

    def set_pod(self, pod: router_pb2.Pod) -> None:
        self.pods[pod.pod_id] = pod
        self._table_changed.set()

    def lose_registry(self) -> None:
        """What a FLUSHALL does."""
        self.registry_id = "r2"
        self.routes.clear()
        self._table_changed.set()

    async def _awake(self, context: Any) -> None:
        if self.is_away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")

    async def Register(self, request: router_pb2.RegisterRequest, context: Any) -> Any:
        await self._awake(context)
        self.registered.append(request.pod)
        self.note()
        return router_pb2.RegisterResponse(
            lease_ms=10_000, was_known=self.known, registry_id=self.registry_id
        )

    async def Unregister(self, request: router_pb2.UnregisterRequest, context: Any) -> Any:
        self.unregistered.append(request.pod_id)
        self.note()
        return router_pb2.UnregisterResponse()

    async def WatchPods(
        self, request: router_pb2.WatchPodsRequest, context: Any
    ) -> AsyncIterator[router_pb2.WatchPodsResponse]:
        while True:
            self._table_changed.clear()
            yield router_pb2.WatchPodsResponse(
                pods=self.pods.values(), registry_id=self.registry_id
            )
            await self._table_changed.wait()

    async def Attach(self, request: router_pb2.AttachRequest, context: Any) -> Any:
        await self._awake(context)
        answer = router_pb2.AttachResponse()
        for session in request.sessions:
            self.attached.append(session)
            if self.refuses_attempts:
                answer.attachments.add()
                continue
            old = self.routes.get((session.user_id, session.device_id))
            self.epoch += 1
            self.routes[session.user_id, session.device_id] = session
            answer.attachments.add(
                epoch=self.epoch,
                previous_pod_id=old.pod_id if old else "",
                previous_instance_id=old.instance_id if old else "",
            )
        self.note()
        return answer

    async def Assert(self, request: router_pb2.AssertRequest, context: Any) -> Any:
        await self._awake(context)
        answer = router_pb2.AssertResponse()
        for session in request.sessions:
            self.asserted.append(session)
            holder = self.routes.setdefault((session.user_id, session.device_id), session)
            answer.assertions.add(
                epoch=max(holder.epoch, session.epoch), instance_id=holder.instance_id
            )
        self.note()
        return answer

    async def Detach(self, request: router_pb2.DetachRequest, context: Any) -> Any:
        self.detached.extend(request.sessions)
        self.note()
        return router_pb2.DetachResponse()

    async def Locate(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def ChooseEndpoints(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def AttachStream(self, request_iterator: Any, context: Any) -> Any:
        if not self.knows_attach_stream:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "an older Router")
        self.attach_streams += 1
        async for request in request_iterator:
            attached = await self.Attach(request.attach, context)
            yield router_pb2.AttachStreamResponse(attached=attached)

    def LocateStream(self, request_iterator: Any, context: Any) -> Any:
        raise NotImplementedError
