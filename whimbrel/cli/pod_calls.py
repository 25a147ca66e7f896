"""Asks a pod of the stack on this machine, over gRPC.

Pods trust their callers, so what stands on this are an operator's commands; clients of users go
through the gateway.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from whimbrel.cli.edge import CommandError
from whimbrel.cli.options import folder_of

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
    import grpc

    from whimbrel.api.router.v1 import router_pb2
    from whimbrel.core.errors import ErrorCode
    from whimbrel.local.certificates import operator_dial
    from whimbrel.local.cluster import list_pods
    from whimbrel.runtime.errors import error_from_rpc

    wanted = router_pb2.PodRole.Value(f"POD_ROLE_{role.upper()}")
    reason = "none is registered"
    folder = folder_of(data)
    dial = operator_dial(folder)
    for pod in await list_pods(folder.running().router_addresses, dial=dial):
        if pod.role != wanted or not pod.address:
            continue
        async with dial(pod.address) as channel:
            try:
                return await method(stub_class(channel))(request, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as failure:
                error = error_from_rpc(failure)
        if error.code is not ErrorCode.UNAVAILABLE:
            raise error
        reason = error.detail
    raise CommandError(
        f"no {role.capitalize()} pod answers ({reason}): `whimbrel pods` shows which there are"
    )
