"""Asks a pod of the stack on this machine, over gRPC.

Pods trust their callers, so what stands on this are an operator's commands; clients of users go
through the gateway.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from whimbrel.cli.edge import CommandError
from whimbrel.cli.options import folder_of
from whimbrel.core.errors import ErrorCode, WhimbrelError

S = TypeVar("S")
T = TypeVar("T")

CALL_SECONDS: Final = 30.0


async def ask_pod(
    role: str,
    data: Path | None,
    stub_class: Callable[[Any], S],
    method: Callable[[S], Callable[..., Awaitable[T]]],
    request: object,
) -> T:
    """The answer of the first pod of the role ("logic") that gives one; a request that changes
    something has to be one that can come twice. Raises WhimbrelError for what it refuses,
    CommandError when there is no such pod."""
    reason = "none is registered"
    async for _, answer in ask_pods(role, data, stub_class, method, request):
        if not isinstance(answer, WhimbrelError):
            return answer
        if answer.code is not ErrorCode.UNAVAILABLE:
            raise answer
        reason = answer.detail
    raise CommandError(
        f"no {role.capitalize()} pod answers ({reason}): `whimbrel pods` shows which there are"
    )


async def ask_pods(
    role: str,
    data: Path | None,
    stub_class: Callable[[Any], S],
    method: Callable[[S], Callable[..., Awaitable[T]]],
    request: object,
) -> AsyncIterator[tuple[str, T | WhimbrelError]]:
    """What each pod of the role answers, with its pod_id; asked one after the other."""
    import grpc

    from whimbrel.api.router.v1 import router_pb2
    from whimbrel.local.certificates import operator_dial
    from whimbrel.local.cluster import list_pods
    from whimbrel.runtime.errors import error_from_rpc

    wanted = router_pb2.PodRole.Value(f"POD_ROLE_{role.upper()}")
    folder = folder_of(data)
    dial = operator_dial(folder)
    for pod in await list_pods(folder.running().router_addresses, dial=dial):
        if pod.role != wanted or not pod.address:
            continue
        answer: T | WhimbrelError
        async with dial(pod.address) as channel:
            try:
                answer = await method(stub_class(channel))(request, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as failure:
                answer = error_from_rpc(failure)
        yield pod.pod_id, answer
