"""Spans that are encoded when they are made, and the exporter that takes them as they are.

The SDK's own way, objects that its encoder takes apart again, costs 15 to 25 µs more for each
span, and a message has a dozen. Queue, batches, retries, headers and TLS stay the library's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

Value = str | int | float | bool
Attributes = Mapping[str, Value]

_SCOPE: Final = common_pb2.InstrumentationScope(name="whimbrel")
_NOWHERE: Final = Resource({})
_SAMPLED: Final = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
"""What the processor looks at; the span's own ids are encoded."""


class EncodedSpan(ReadableSpan):
    """Passes through the SDK's processor like any other."""

    def __init__(self, encoded: trace_pb2.Span) -> None:
        super().__init__(encoded.name, _SAMPLED, resource=_NOWHERE)
        self.encoded = encoded


_CHANNEL_OPTIONS: Final = (
    # By default it grows to two minutes, in which the spans of a collector that is back are lost.
    ("grpc.max_reconnect_backoff_ms", 2000),
)


class EncodedSpanExporter(OTLPSpanExporter):
    """Sends encoded spans, and those of the SDK's tracers, in one request."""

    def __init__(self, endpoint: str, resource: Resource, timeout_seconds: float) -> None:
        super().__init__(
            endpoint=endpoint,
            timeout=timeout_seconds,
            channel_options=_CHANNEL_OPTIONS,  # type: ignore[arg-type] # numbers are right
        )
        self._resource = resource_pb2.Resource()
        add_attributes(
            self._resource.attributes,
            {key: value for key, value in resource.attributes.items() if isinstance(value, Value)},
        )

    def _translate_data(
        self, data: Sequence[ReadableSpan]
    ) -> trace_service_pb2.ExportTraceServiceRequest:
        encoded = [span.encoded for span in data if isinstance(span, EncodedSpan)]
        others = [span for span in data if not isinstance(span, EncodedSpan)]
        request = super()._translate_data(others)
        if encoded:
            scope_spans = trace_pb2.ScopeSpans(scope=_SCOPE, spans=encoded)
            request.resource_spans.add(resource=self._resource, scope_spans=[scope_spans])
        return request


def add_attributes(into: Sequence[common_pb2.KeyValue], attributes: Attributes) -> None:
    """Put them into a repeated field of a message, encoded."""
    add = into.add  # type: ignore[attr-defined] # a repeated field is more than a Sequence
    for key, value in attributes.items():
        encoded = add(key=key).value
        if isinstance(value, str):
            encoded.string_value = value
        elif isinstance(value, bool):
            encoded.bool_value = value
        elif isinstance(value, int):
            encoded.int_value = value
        else:
            encoded.double_value = value
