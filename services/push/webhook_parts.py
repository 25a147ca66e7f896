"""Puts together what tells the host product of events, and what an operator asks about it. Nothing
is delivered without a URL."""

from __future__ import annotations

import random
import time
from functools import partial

from services.push.adapters.event_queue_mongo import MongoEventQueue
from services.push.adapters.event_records_mongo import MongoEventRecords
from services.push.metrics import event_metrics
from services.push.usecases.deliver_events import DeliverEvents
from services.push.usecases.look_after_events import LookAfterEvents
from services.push.webhook_servicer import Delivery, WebhookServicer
from whimbrel.api.push.v1 import webhooks_pb2, webhooks_pb2_grpc
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.http_answer import origin_of
from whimbrel.runtime.stores import Database
from whimbrel.runtime.webhook_client import WebhookClient, open_webhook_client
from whimbrel.runtime.webhook_settings import WebhookSettings

_FOR_TESTS = 2
"""Connections for an operator's tests, beside those for events."""


async def open_events(settings: WebhookSettings, database: Database, chassis: Chassis) -> None:
    """Start delivering, if somebody wants to be told; serve WebhookService in any case."""
    client = None
    if settings.secrets_file is not None:
        connections = settings.events_requests + _FOR_TESTS
        client = await chassis.stack.enter_async_context(
            open_webhook_client(settings.secrets_file, max_connections=connections)
        )
    deliver = _deliver(settings, client, database, chassis) if settings.events_url else None

    def delivery() -> Delivery:
        return Delivery(
            chassis.pod_id,
            origin_of(settings.events_url),
            client.signer.secrets if client else 0,
            dict(deliver.outcomes) if deliver else {},
            deliver.lag_ms if deliver else 0,
        )

    timeout_seconds = settings.events_timeout_seconds
    look_after = LookAfterEvents(
        MongoEventRecords(database),
        partial(client.post, timeout_seconds=timeout_seconds) if client else None,
        url=settings.events_url,
        clock=time.monotonic,
        wall_ms=_wall_ms,
    )
    webhooks_pb2_grpc.add_WebhookServiceServicer_to_server(
        WebhookServicer(look_after, delivery), chassis.server
    )
    chassis.serves(webhooks_pb2.DESCRIPTOR.services_by_name["WebhookService"].full_name)


def _deliver(
    settings: WebhookSettings, client: WebhookClient | None, database: Database, chassis: Chassis
) -> DeliverEvents:
    assert client is not None, "the settings refuse a URL without secrets"
    timeout_seconds = settings.events_timeout_seconds
    deliver = DeliverEvents(
        MongoEventQueue(database),
        partial(client.post, settings.events_url, timeout_seconds=timeout_seconds),
        holder=f"{chassis.pod_id}/{chassis.incarnation}",
        workers=settings.events_requests,
        timeout_seconds=timeout_seconds,
        give_up_seconds=settings.events_give_up_seconds,
        wall_ms=_wall_ms,
        chance=random.random,
    )
    chassis.metrics.add(lambda: event_metrics(deliver.outcomes, deliver.lag_ms))
    chassis.spawn(deliver.run(), "webhook_events")
    return deliver


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
