"""Spans as Jaeger's query API gives them, made of OTLP. Pure.

What `whimbrel trace` reads is the same from Jaeger and from the collector of a local stack, so
there is one way to read it. Times are microseconds since the Unix epoch, durations microseconds.
Source: https://www.jaegertracing.io/docs/2.2/apis/ (the JSON of its own user interface).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

_KINDS = {
    trace_pb2.Span.SPAN_KIND_INTERNAL: "internal",
    trace_pb2.Span.SPAN_KIND_SERVER: "server",
    trace_pb2.Span.SPAN_KIND_CLIENT: "client",
    trace_pb2.Span.SPAN_KIND_PRODUCER: "producer",
    trace_pb2.Span.SPAN_KIND_CONSUMER: "consumer",
}
_TYPES = {"string_value": "string", "int_value": "int64", "double_value": "float64"}

Json = dict[str, Any]


def span_json(span: trace_pb2.Span) -> Json:
    """One span, without its process."""
    tags = _tags(span.attributes)
    tags.append(_tag("span.kind", "string", _KINDS.get(span.kind, "internal")))
    if span.status.code == trace_pb2.Status.STATUS_CODE_ERROR:
        tags.append(_tag("error", "bool", True))
        tags.append(_tag("otel.status_description", "string", span.status.message))
    references = [_reference("FOLLOWS_FROM", link.trace_id, link.span_id) for link in span.links]
    if span.parent_span_id:
        references.insert(0, _reference("CHILD_OF", span.trace_id, span.parent_span_id))
    return {
        "traceID": span.trace_id.hex(),
        "spanID": span.span_id.hex(),
        "operationName": span.name,
        "references": references,
        "startTime": span.start_time_unix_nano // 1000,
        "duration": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
        "tags": tags,
        "logs": [
            {
                "timestamp": event.time_unix_nano // 1000,
                "fields": [_tag("event", "string", event.name), *_tags(event.attributes)],
            }
            for event in span.events
        ],
    }


def process_json(attributes: Iterable[common_pb2.KeyValue]) -> Json:
    """Who has sent spans: the service's name, the rest as tags."""
    tags = _tags(attributes)
    name = next((tag["value"] for tag in tags if tag["key"] == "service.name"), "unknown")
    return {
        "serviceName": name,
        "tags": [tag for tag in tags if tag["key"] != "service.name"],
    }


def _reference(kind: str, trace_id: bytes, span_id: bytes) -> Json:
    return {"refType": kind, "traceID": trace_id.hex(), "spanID": span_id.hex()}


def _tags(attributes: Iterable[common_pb2.KeyValue]) -> list[Json]:
    return [_value_tag(one.key, one.value) for one in attributes]


def _value_tag(key: str, value: common_pb2.AnyValue) -> Json:
    kind = value.WhichOneof("value") or "string_value"
    if kind == "bool_value":
        return _tag(key, "bool", value.bool_value)
    if kind in _TYPES:
        return _tag(key, _TYPES[kind], getattr(value, kind))
    return _tag(key, "string", str(value))


def _tag(key: str, kind: str, value: str | int | float | bool) -> Json:
    return {"key": key, "type": kind, "value": value}
