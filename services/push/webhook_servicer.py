"""WebhookService: from the wire to `LookAfterEvents` and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc

from services.push.usecases.look_after_events import LookAfterEvents
from whimbrel.api.push.v1 import webhooks_pb2 as pb
from whimbrel.api.push.v1 import webhooks_pb2_grpc
from whimbrel.core.errors import invalid

_Context = grpc.aio.ServicerContext[Any, Any]


class Delivery(NamedTuple):
    """How delivering goes in this pod."""

    pod_id: str
    origin: str
    secrets: int
    outcomes: dict[str, int]
    lag_ms: int


class WebhookServicer(webhooks_pb2_grpc.WebhookServiceServicer):
    """One per process."""

    def __init__(self, look_after: LookAfterEvents, delivery: Callable[[], Delivery]) -> None:
        self._look_after = look_after
        self._delivery = delivery

    async def ShowDelivery(  # noqa: N802 - the names are the contract's
        self, request: pb.ShowDeliveryRequest, context: _Context
    ) -> pb.ShowDeliveryResponse:
        return pb.ShowDeliveryResponse(**self._delivery()._asdict())

    async def TestEvents(  # noqa: N802
        self, request: pb.TestEventsRequest, context: _Context
    ) -> pb.TestEventsResponse:
        tested = await self._look_after.test(request.url)
        return pb.TestEventsResponse(
            status=tested.status,
            failure=tested.failure,
            took_ms=tested.took_seconds * 1000,
            outcome=tested.outcome.value,
            clock_ahead_ms=tested.clock_ahead_ms,
            signatures=self._delivery().secrets,
        )

    async def ListEvents(  # noqa: N802
        self, request: pb.ListEventsRequest, context: _Context
    ) -> pb.ListEventsResponse:
        if request.state not in (pb.EVENT_STATE_WAITING, pb.EVENT_STATE_DEAD):
            raise invalid("state must be waiting or dead")
        events = await self._look_after.events(
            is_dead=request.state == pb.EVENT_STATE_DEAD, after=request.after, limit=request.limit
        )
        return pb.ListEventsResponse(events=[pb.HostEvent(**one._asdict()) for one in events])

    async def ResendEvents(  # noqa: N802
        self, request: pb.ResendEventsRequest, context: _Context
    ) -> pb.ResendEventsResponse:
        resent = await self._look_after.resend(list(request.event_ids))
        return pb.ResendEventsResponse(resent=resent)

    async def HurryEvents(  # noqa: N802
        self, request: pb.HurryEventsRequest, context: _Context
    ) -> pb.HurryEventsResponse:
        return pb.HurryEventsResponse(hurried=await self._look_after.hurry())
