"""Spans of this process on their way to a collector: OpenTelemetry's SDK, OTLP over gRPC.

Spans are made after the fact, from moments that were noted, so nothing on a message's way is
wrapped and the ids of a span can travel before it has ended. Imported only when a collector is
named: the SDK takes a tenth of a second to import and starts a thread. Must not know any service.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, TypeAlias

from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from whimbrel.core.traceparent import TraceContext
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.otlp_spans import Attributes, EncodedSpan, EncodedSpanExporter, add_attributes
from whimbrel.runtime.settings import PodSettings

_log = get_logger(__name__)

_EXPORT_SECONDS: Final = 2.0
"""For one export with its retries: a collector that is away must not hold up the end of the
process, which waits for two of them at most."""
_QUEUED_SPANS: Final = 4_096
"""About 4 MB; what comes while so many wait is dropped."""
_SAMPLED_FLAG: Final = 1
_NS: Final = 1_000_000_000

Kind: TypeAlias = trace_pb2.Span.SpanKind.ValueType
INTERNAL: Final = trace_pb2.Span.SPAN_KIND_INTERNAL
SERVER: Final = trace_pb2.Span.SPAN_KIND_SERVER
CLIENT: Final = trace_pb2.Span.SPAN_KIND_CLIENT
PRODUCER: Final = trace_pb2.Span.SPAN_KIND_PRODUCER
CONSUMER: Final = trace_pb2.Span.SPAN_KIND_CONSUMER


class Moment(NamedTuple):
    """Something that happened within a span; `at` is monotonic seconds."""

    name: str
    at: float
    attributes: Attributes


class Tracing:
    """The one way out for the spans of a process. Never waits; bounded."""

    def __init__(self, exporter: SpanExporter, resource: Resource) -> None:
        self._exporter = _OnceLogged(exporter)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(self._exporter, max_queue_size=_QUEUED_SPANS)
        self._provider.add_span_processor(self._processor)

    def tracer(self, name: str) -> Tracer:
        """For spans that are followed while they run."""
        return self._provider.get_tracer(name)

    @staticmethod
    def begin(parent: TraceContext | None = None) -> TraceContext:
        """Ids for a span that `record` will be told of later: a child, or the first of a trace."""
        trace_id = parent.trace_id if parent is not None else random.getrandbits(128) or 1
        return TraceContext(trace_id, random.getrandbits(64) or 1)

    def record(
        self,
        name: str,
        context: TraceContext,
        parent: TraceContext | None,
        started: float,
        ended: float,
        attributes: Attributes | None = None,
        *,
        kind: Kind = INTERNAL,
        links: Sequence[TraceContext] = (),
        moments: Sequence[Moment] = (),
        error: str = "",
    ) -> None:
        """A span that is over. `started` and `ended` are monotonic seconds."""
        # Anew each time: the wall clock may have been set since the last span.
        to_wall = time.time_ns() - time.monotonic_ns()
        encoded = trace_pb2.Span(
            trace_id=context.trace_id.to_bytes(16, "big"),
            span_id=context.span_id.to_bytes(8, "big"),
            name=name,
            kind=kind,
            start_time_unix_nano=int(started * _NS) + to_wall,
            end_time_unix_nano=int(ended * _NS) + to_wall,
            flags=_SAMPLED_FLAG,
        )
        if parent is not None:
            encoded.parent_span_id = parent.span_id.to_bytes(8, "big")
        if attributes:
            add_attributes(encoded.attributes, attributes)
        for linked in links:
            encoded.links.add(
                trace_id=linked.trace_id.to_bytes(16, "big"),
                span_id=linked.span_id.to_bytes(8, "big"),
                flags=_SAMPLED_FLAG,
            )
        for happened, at, about in moments:
            event = encoded.events.add(name=happened, time_unix_nano=int(at * _NS) + to_wall)
            add_attributes(event.attributes, about)
        if error:
            encoded.status.code = trace_pb2.Status.STATUS_CODE_ERROR
            encoded.status.message = error
        self._processor.on_end(EncodedSpan(encoded))

    def flush(self) -> None:
        """Send what waits, and wait for it. For tests."""
        self._processor.force_flush()

    async def close(self) -> None:
        """Send what waits. Takes two exports' time at most."""
        self._exporter.is_closing = True
        await asyncio.to_thread(self._provider.shutdown)


@asynccontextmanager
async def open_tracing(endpoint: str, role: str, pod: PodSettings) -> AsyncIterator[Tracing]:
    """Spans to the collector at `endpoint` (http:// or https:// URL). The other standard
    OTEL_EXPORTER_OTLP_* variables (headers, certificate) hold too, except for the timeout."""
    # What fails is said once below; the library says it again for each batch.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    resource = resource_of(role, pod)
    tracing = Tracing(EncodedSpanExporter(endpoint, resource, _EXPORT_SECONDS), resource)
    try:
        yield tracing
    finally:
        await tracing.close()


def resource_of(role: str, pod: PodSettings) -> Resource:
    """Who sends the spans, by the names of the semantic conventions."""
    said = {
        "service.name": f"whimbrel-{role}",
        "service.namespace": "whimbrel",
        "service.instance.id": pod.id,
        "service.version": pod.revision,
        "k8s.pod.name": pod.id,
        "k8s.node.name": pod.node,
        "cloud.availability_zone": pod.zone,
    }
    return Resource.create({name: value for name, value in said.items() if value})


class _OnceLogged(SpanExporter):
    """Says once that the collector is away, and once that it is back. Called by the processor's
    thread alone."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._is_away = False
        self.is_closing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.is_closing and self._is_away:
            return SpanExportResult.FAILURE  # nobody waits for a collector at the end
        result = self._exporter.export(spans)
        is_away = result is not SpanExportResult.SUCCESS
        if is_away and not self._is_away:
            _log.warning("spans_not_exported", spans=len(spans))
        elif self._is_away and not is_away:
            _log.info("spans_exported_again")
        self._is_away = is_away
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
