"""The application's own part of a message's trace: the call of `send`, as a span of its tracer.

OpenTelemetry is used where the application brings it; the SDK does not need it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from whimbrel.client.events import Receipt
from whimbrel.core.outgoing import Outgoing
from whimbrel.core.traceparent import TraceContext

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer


async def send_traced(
    tracer: Tracer, message: Outgoing, send: Callable[[Outgoing], Awaitable[Receipt]]
) -> Receipt:
    """Send within a span, which the servers go on from when it is sampled. What `send` raises is
    noted in the span and passes through."""
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 - who has a tracer has it

    attributes = {
        "messaging.system": "whimbrel",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    with tracer.start_as_current_span(
        "send", kind=SpanKind.PRODUCER, attributes=attributes
    ) as span:
        receipt = await send(replace(message, traceparent=_traceparent(span)))
        span.set_attribute("messaging.message.id", str(receipt.message_id))
        return receipt


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return ""
    return TraceContext(context.trace_id, context.span_id).traceparent
