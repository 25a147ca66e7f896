"""Puts together what tells the host product of events. Nothing of it runs without a URL."""

from __future__ import annotations

import random
import time
from functools import partial

from services.push.adapters.event_queue_mongo import MongoEventQueue
from services.push.metrics import event_metrics
from services.push.usecases.deliver_events import DeliverEvents
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.settings import WebhookSettings
from whimbrel.runtime.stores import Database
from whimbrel.runtime.webhook_client import open_webhook_client


async def deliver_events(settings: WebhookSettings, database: Database, chassis: Chassis) -> None:
    """Start delivering, if somebody wants to be told."""
    if not settings.events_url or settings.secrets_file is None:
        return
    client = await chassis.stack.enter_async_context(
        open_webhook_client(settings.secrets_file, max_connections=settings.events_requests)
    )
    timeout_seconds = settings.events_timeout_seconds
    deliver = DeliverEvents(
        MongoEventQueue(database),
        partial(client.post, settings.events_url, timeout_seconds=timeout_seconds),
        holder=f"{chassis.pod_id}/{chassis.incarnation}",
        workers=settings.events_requests,
        timeout_seconds=timeout_seconds,
        give_up_seconds=settings.events_give_up_seconds,
        wall_ms=lambda: time.time_ns() // 1_000_000,
        chance=random.random,
    )
    chassis.metrics.add(lambda: event_metrics(deliver.outcomes, deliver.lag_ms))
    chassis.spawn(deliver.run(), "webhook_events")
