"""The Platform and Leadership ports on the supervisor of a local stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Final, TypeVar

import grpc

from services.drain.ports import (
    Leadership,
    Platform,
    PlatformPod,
    PlatformView,
    Tenure,
    Workload,
)
from services.drain.settings import DrainSettings
from whimbrel.api.platform.v1 import platform_pb2, platform_pb2_grpc
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.errors import error_from_rpc
from whimbrel.runtime.tls import Dial

_CALL_SECONDS: Final = 5.0
_SILENCE_SECONDS: Final = 150.0
"""The supervisor repeats itself every 60 s."""

A = TypeVar("A")


def open_local(
    settings: DrainSettings, stack: AsyncExitStack, dial: Dial = open_channel
) -> tuple[Platform, Leadership]:
    """Both, over one channel that is closed with the stack."""
    address = settings.platform.address
    assert address is not None, "the settings see to that"
    channel = dial(address)
    stack.push_async_callback(channel.close)
    stub = platform_pb2_grpc.PlatformServiceStub(channel)
    # Not unique for each start: the supervisor starts a pod again only when its process has ended,
    # so nobody else has this name, and a leader that is back at once goes on with its term.
    leadership = LocalLeadership(
        stub, settings.platform.lease_name, settings.pod.id, settings.leader.lease_seconds
    )
    return LocalPlatformClient(stub), leadership


class LocalPlatformClient:
    """See services.drain.ports.Platform."""

    def __init__(self, stub: platform_pb2_grpc.PlatformServiceStub) -> None:
        self._stub = stub

    async def watch(self) -> AsyncIterator[PlatformView]:
        call = self._stub.WatchPlatform(platform_pb2.WatchPlatformRequest())
        try:
            while True:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    view = await call.read()
                if not isinstance(view, platform_pb2.WatchPlatformResponse):
                    raise unavailable("the supervisor has ended the watch")
                yield _view(view)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from None
        except TimeoutError:
            raise unavailable("the supervisor has fallen silent") from None
        finally:
            call.cancel()

    async def scale(self, role: str, replicas: int) -> None:
        request = platform_pb2.ScaleWorkloadRequest(role=role, replicas=replicas)
        await _answer(self._stub.ScaleWorkload(request, timeout=_CALL_SECONDS))

    async def restart(self, role: str, surge: int) -> str:
        request = platform_pb2.RestartWorkloadRequest(role=role, surge=surge)
        answer = await _answer(self._stub.RestartWorkload(request, timeout=_CALL_SECONDS))
        return answer.revision

    async def set_deletion_cost(self, pod_id: str, cost: int) -> None:
        request = platform_pb2.MarkPodRequest(pod_id=pod_id, deletion_cost=cost)
        await _answer(self._stub.MarkPod(request, timeout=_CALL_SECONDS))

    async def release(self, pod_id: str) -> None:
        request = platform_pb2.DeletePodRequest(pod_id=pod_id)
        await _answer(self._stub.DeletePod(request, timeout=_CALL_SECONDS))


class LocalLeadership:
    """See services.drain.ports.Leadership."""

    def __init__(
        self,
        stub: platform_pb2_grpc.PlatformServiceStub,
        name: str,
        holder: str,
        lease_seconds: float,
    ) -> None:
        self._stub = stub
        self._name = name
        self._holder = holder
        self._lease_ms = round(lease_seconds * 1000)

    async def hold(self, min_term: int) -> Tenure:
        lease = await self._ask(self._lease_ms, min_term)
        return Tenure(lease.term, lease.holder, is_own=lease.holder == self._holder)

    async def resign(self) -> None:
        await self._ask(0, 0)

    async def _ask(self, duration_ms: int, min_term: int) -> platform_pb2.HoldLeaseResponse:
        request = platform_pb2.HoldLeaseRequest(
            name=self._name, holder=self._holder, duration_ms=duration_ms, min_term=min_term
        )
        return await _answer(self._stub.HoldLease(request, timeout=_CALL_SECONDS))


async def _answer(call: Awaitable[A]) -> A:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise _refusal(error) from None


def _refusal(error: grpc.aio.AioRpcError) -> WhimbrelError:
    """As the port says it: whatever is no refusal of the supervisor's is UNAVAILABLE."""
    refusal = error_from_rpc(error)
    if refusal.code in (ErrorCode.NOT_FOUND, ErrorCode.INVALID_ARGUMENT):
        return refusal
    if refusal.code is ErrorCode.PERMISSION_DENIED:
        return WhimbrelError(
            refusal.code,
            f"the supervisor does not let this controller: {refusal.detail}. Its certificate "
            "(WHIMBREL_TLS__CERTIFICATE) must be one of the role drain",
        )
    return unavailable(
        f"the supervisor does not answer: {refusal.detail}",
        outcome_unknown=refusal.outcome_unknown,
    )


def _view(view: platform_pb2.WatchPlatformResponse) -> PlatformView:
    pods = tuple(
        PlatformPod(
            pod_id=pod.pod_id,
            role=pod.role,
            revision=pod.revision,
            node=pod.node,
            zone=pod.zone,
            ready=pod.ready,
            deleted_in_seconds=pod.deleted_in_ms / 1000 if pod.deleted_in_ms else None,
            drain_wanted=pod.drain_wanted,
            deletion_cost=pod.deletion_cost,
        )
        for pod in view.pods
    )
    workloads = tuple(Workload(one.role, one.replicas, one.revision) for one in view.workloads)
    return PlatformView(pods, workloads)
