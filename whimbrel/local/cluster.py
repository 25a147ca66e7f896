"""Asks a running cluster over gRPC: is a pod healthy, which pods does the Router know?"""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.local.errors import StackError
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.pod_processes import is_whole
from whimbrel.runtime.tls import Dial

_PROBE_SECONDS = 1.0
_POLL_SECONDS = 0.05


async def is_serving(address: str, dial: Dial = open_channel) -> bool:
    """Whether the process at host:port reports SERVING now, for all that it serves."""
    if not await _listens(address):
        return False
    async with dial(address) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=_PROBE_SECONDS
            )
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _listens(address: str) -> bool:
    """Asked many times while a process starts, and a tenth of what a channel costs."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection(host, int(port))
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True


async def list_pods(
    addresses: str, *, dial: Dial = open_channel, timeout_seconds: float = 5.0
) -> list[router_pb2.Pod]:
    """The Router's registry, by pod_id; raises StackError when no Router answers.

    `addresses` is host:port[,host:port] of the Routers.
    """
    async with dial(addresses) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        watch = stub.WatchPods(router_pb2.WatchPodsRequest(), timeout=timeout_seconds)
        try:
            async for table in watch:
                return sorted(table.pods, key=lambda pod: pod.pod_id)
        except grpc.aio.AioRpcError as error:
            raise StackError(
                f"the Router at {addresses} does not answer ({error.code().name}: "
                f"{error.details()})"
            ) from None
        finally:
            watch.cancel()
    raise StackError(f"the Router at {addresses} has ended the watch without a table")


async def wait_registered(
    addresses: str, pod_ids: set[str], *, dial: Dial = open_channel, timeout_seconds: float
) -> None:
    """Until the Router knows all these pods, and they take work; raises StackError that names the
    missing ones."""
    missing = set(pod_ids)
    try:
        async with asyncio.timeout(timeout_seconds):
            while missing:
                try:
                    pods = await list_pods(addresses, dial=dial)
                except StackError:
                    pods = []
                missing = {pod_id for pod_id in pod_ids if not is_whole(pods, pod_id)}
                if missing:
                    await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        names = ", ".join(sorted(missing))
        raise StackError(
            f"after {timeout_seconds:.0f} s the Router does not know {names}; their logs say why"
        ) from None


def pod_json(pod: router_pb2.Pod) -> dict[str, str | int]:
    """A pod of the registry as plain values; roles and states are lower-case words."""
    return {
        "pod": pod.pod_id,
        "role": router_pb2.PodRole.Name(pod.role).removeprefix("POD_ROLE_").lower(),
        "state": router_pb2.PodState.Name(pod.state).removeprefix("POD_STATE_").lower(),
        "address": pod.address,
        "endpoint": pod.client_endpoint,
        "sessions": pod.sessions,
        "revision": pod.revision,
        "incarnation": pod.incarnation,
        "process_of": pod.process_of.pod_id,
    }
