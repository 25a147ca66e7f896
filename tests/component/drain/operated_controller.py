"""A drain controller that runs, as an operator sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import grpc

from whimbrel.api.drain.v1 import drain_pb2, drain_pb2_grpc
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.errors import error_from_rpc

T = TypeVar("T")


class Controller:
    """One drain controller, and an operator's stub for it."""

    def __init__(self, chassis: Chassis, task: asyncio.Task[None], stop: asyncio.Event) -> None:
        self.address = chassis.address
        self.metrics_address = chassis.metrics_address
        self.name = chassis.pod_id
        self.task = task
        self.stop = stop
        """As SIGTERM."""
        self.channel = open_channel(chassis.address)
        self.stub = drain_pb2_grpc.DrainServiceStub(self.channel)

    async def plans(self) -> drain_pb2.ListPlansResponse:
        return await self.stub.ListPlans(drain_pb2.ListPlansRequest(), timeout=5)

    async def plan(self, pod_id: str) -> drain_pb2.Plan | None:
        """The newest plan of this pod."""
        listed = (await self.plans()).plans
        return next((plan for plan in listed if plan.pod_id == pod_id), None)

    async def drain(self, pod_id: str, **fields: Any) -> drain_pb2.StartDrainResponse:
        request = drain_pb2.StartDrainRequest(pod_id=pod_id, **fields)
        return await self.ask(self.stub.StartDrain(request, timeout=5))

    async def abort(self, pod_id: str) -> drain_pb2.AbortDrainResponse:
        request = drain_pb2.AbortDrainRequest(pod_id=pod_id)
        return await self.ask(self.stub.AbortDrain(request, timeout=5))

    async def scale(self, replicas: int, role: str = "access") -> drain_pb2.ScaleResponse:
        request = drain_pb2.ScaleRequest(role=role, replicas=replicas)
        return await self.ask(self.stub.Scale(request, timeout=5))

    async def restart(self, surge: int = 1) -> drain_pb2.RestartRolloutResponse:
        request = drain_pb2.RestartRolloutRequest(role="access", surge=surge)
        return await self.ask(self.stub.RestartRollout(request, timeout=5))

    @staticmethod
    async def ask(call: Awaitable[T]) -> T:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise error_from_rpc(error) from None

    async def kill(self) -> None:
        """As by SIGKILL: no goodbye, and the lease stays held."""
        self.task.cancel()
        await asyncio.wait((self.task,))
        await self.channel.close()


async def refused(call: Coroutine[Any, Any, Any]) -> WhimbrelError:
    """The refusal of this request."""
    try:
        await call
    except WhimbrelError as error:
        return error
    raise AssertionError("it was not refused")
