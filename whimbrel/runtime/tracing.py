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
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer

from whimbrel.core.traceparent import TraceContext
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.settings import PodSettings

_log = get_logger(__name__)

_EXPORT_SECONDS: Final = 2.0
"""For one export with its retries: a collector that is away must not hold up the end of the
process, which waits for two of them at most."""
_QUEUED_SPANS: Final = 4_096
"""About 4 MB; what comes while so many wait is dropped."""
_SCOPE: Final = InstrumentationScope("whimbrel")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NS: Final = 1_000_000_000

Attributes = Mapping[str, str | int | float | bool]


class Moment(NamedTuple):
    """Something that happened within a span; `at` is monotonic seconds."""

    name: str
    at: float
    attributes: Attributes


class Tracing:
    """The one way out for the spans of a process. Never waits; bounded."""

    def __init__(self, exporter: SpanExporter, resource: Resource) -> None:
        self._exporter = _OnceLogged(exporter)
        self._resource = resource
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
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[TraceContext] = (),
        moments: Sequence[Moment] = (),
        error: str = "",
    ) -> None:
        """A span that is over. `started` and `ended` are monotonic seconds."""
        # Anew each time: the wall clock may have been set since the last span.
        to_wall = time.time_ns() - time.monotonic_ns()
        self._processor.on_end(
            ReadableSpan(
                name=name,
                context=_span_context(context),
                parent=None if parent is None else _span_context(parent),
                resource=self._resource,
                attributes=attributes,
                events=[
                    Event(moment.name, moment.attributes, int(moment.at * _NS) + to_wall)
                    for moment in moments
                ],
                links=[Link(_span_context(linked)) for linked in links],
                kind=kind,
                status=Status(StatusCode.ERROR, error) if error else Status(),
                start_time=int(started * _NS) + to_wall,
                end_time=int(ended * _NS) + to_wall,
                instrumentation_scope=_SCOPE,
            )
        )

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
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS)
    tracing = Tracing(exporter, resource_of(role, pod))
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


def _span_context(context: TraceContext) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, is_remote=True, trace_flags=_SAMPLED)
