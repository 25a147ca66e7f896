"""Where users are, asked of the Router: one frame for a whole batch, never from a cache.

A question that failed is the caller's to repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import attrgetter

from services.logic.domain.signals import Whereabout
from whimbrel.api.router.v1 import router_pb2, router_pb2_grpc
from whimbrel.runtime.question_stream import QuestionStream

MAX_USERS = 5000


class GrpcLocator:
    """The ports Locator and Whereabouts. One question at a time: whoever asks does it for a batch
    and waits, so fan-out and signals have one each."""

    def __init__(
        self, router: router_pb2_grpc.RouterServiceStub, *, timeout_seconds: float = 2.0
    ) -> None:
        self._questions: QuestionStream[router_pb2.LocateRequest, router_pb2.LocateResponse] = (
            QuestionStream(
                router.LocateStream,
                router.Locate,
                framed=lambda request: router_pb2.LocateStreamRequest(locate=request),
                answer_in=attrgetter("located"),
                timeout_seconds=timeout_seconds,
            )
        )
        self._asking = asyncio.Lock()

    async def locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        """See services.logic.ports.Locator."""
        found = await self._routes(users)
        return {user: list({route.pod_id for route in one.routes}) for user, one in found.items()}

    async def whereabouts(self, users: Sequence[str]) -> dict[str, list[Whereabout]]:
        """See services.logic.signal_ports.Whereabouts."""
        found = await self._routes(users)
        return {
            user: [
                Whereabout(route.pod_id, route.platform)
                for route in one.routes
                if not route.is_left
            ]
            for user, one in found.items()
        }

    async def _routes(self, users: Sequence[str]) -> dict[str, router_pb2.UserRoutes]:
        routes: dict[str, router_pb2.UserRoutes] = {}
        async with self._asking:
            for first in range(0, len(users), MAX_USERS):
                part = users[first : first + MAX_USERS]
                found = await self._questions.ask(router_pb2.LocateRequest(user_ids=part))
                routes |= zip(part, found.users, strict=True)
        return routes

    def close(self) -> None:
        """End the stream; the next question opens another."""
        self._questions.close()
