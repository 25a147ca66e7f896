"""Puts together what asks the host product, and what an operator asks about it."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from services.logic.adapters.host_opinion_http import HttpHostOpinion
from services.logic.host_servicer import HostServicer
from services.logic.metrics import before_send_metrics, outbox_metrics
from services.logic.parts import LogicParts
from services.logic.webhook_ports import HostOpinion
from whimbrel.api.logic.v1 import host_pb2, host_pb2_grpc
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.webhook_client import open_webhook_client
from whimbrel.runtime.webhook_settings import WebhookSettings

OpinionOf = Callable[[str], HostOpinion]
_FOR_TESTS = 2
"""Connections for an operator's tests, beside those for messages."""


async def open_opinions(settings: WebhookSettings, chassis: Chassis) -> OpinionOf | None:
    """Who asks at a URL; None without secrets to sign with."""
    if settings.secrets_file is None:
        return None
    connections = settings.before_send_requests + _FOR_TESTS
    client = await chassis.stack.enter_async_context(
        open_webhook_client(settings.secrets_file, max_connections=connections)
    )
    return lambda url: HttpHostOpinion(
        client,
        url,
        timeout_seconds=settings.before_send_timeout_seconds,
        new_id=lambda: uuid.uuid4().hex,
    )


def configured_opinion(
    settings: WebhookSettings, opinion_of: OpinionOf | None
) -> HostOpinion | None:
    """Who asks before a message is stored; None: nobody does."""
    url = settings.before_send_url
    return opinion_of(url) if url and opinion_of is not None else None


def serve_host(
    parts: LogicParts, settings: WebhookSettings, opinion_of: OpinionOf | None, chassis: Chassis
) -> None:
    """Register HostService and the figures about the host product."""
    servicer = HostServicer(chassis.pod_id, parts, settings, opinion_of)
    host_pb2_grpc.add_HostServiceServicer_to_server(servicer, chassis.server)
    chassis.serves(host_pb2.DESCRIPTOR.services_by_name["HostService"].full_name)
    if (screen := parts.screen) is not None:
        host = screen.host
        chassis.metrics.add(lambda: before_send_metrics(host.outcomes, host.is_open))
    if (telling := parts.telling) is not None:
        outbox = telling.outbox
        chassis.metrics.add(lambda: outbox_metrics(outbox.last, outbox.oldest_seconds))
