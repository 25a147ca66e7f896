"""Where users are, asked of the Router: one call for a whole batch, never from a cache."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.errors import error_from_rpc

MAX_USERS = 5000


class GrpcLocator:
    """The Locator port on the Router's Locate call."""

    def __init__(
        self, router: router_pb2_grpc.RouterServiceStub, *, timeout_seconds: float = 2.0
    ) -> None:
        self._router = router
        self._timeout_seconds = timeout_seconds

    async def locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        """See services.logic.ports.Locator."""
        pods: dict[str, list[str]] = {}
        for first in range(0, len(users), MAX_USERS):
            part = users[first : first + MAX_USERS]
            try:
                response = await self._router.Locate(
                    router_pb2.LocateRequest(user_ids=part), timeout=self._timeout_seconds
                )
            except grpc.aio.AioRpcError as error:
                raise error_from_rpc(error) from error
            for user, found in zip(part, response.users, strict=True):
                pods[user] = list({route.pod_id for route in found.routes})
        return pods
