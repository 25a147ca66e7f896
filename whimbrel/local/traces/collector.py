"""Wires the collector: OTLP over gRPC in, Jaeger's query API over HTTP out."""

# ruff: noqa: N802 - the contract names the method

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from pydantic import Field

from whimbrel.local.traces.query import QueryApp
from whimbrel.local.traces.store import TraceStore
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.http_server import HttpLimits, HttpServer
from whimbrel.runtime.serve import ServiceSpec
from whimbrel.runtime.settings import ServiceSettings
from whimbrel.runtime.settings_group import Address

_LIMITS = HttpLimits(head_seconds=5.0, idle_seconds=5, max_connections=16, grace_seconds=1.0)


class CollectorSettings(ServiceSettings):
    """Everything that the collector of a local stack can be told."""

    role: ClassVar[str] = "collector"

    http_listen: Address = "127.0.0.1:0"
    """host:port of the query API. Default: a free port of the loopback."""
    max_traces: Annotated[int, Field(ge=1)] = 2_000
    """Traces that are kept; about 20 KB each. Default 2,000: the last minutes of a demo."""


class TraceReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes what OTLP exporters send."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    async def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: Any
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for resource_spans in request.resource_spans:
            self._store.add(resource_spans)
        return trace_service_pb2.ExportTraceServiceResponse()


async def start(settings: CollectorSettings, chassis: Chassis) -> None:
    """Serve both; `chassis.client_address` is that of the query API."""
    store = TraceStore(settings.max_traces)
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server  # it has no types
    add(TraceReceiver(store), chassis.server)
    http = HttpServer(QueryApp(store), settings.http_listen, _LIMITS)
    chassis.client_address = http.address
    chassis.spawn(http.run(), "query")
    chassis.on_drain(http.stop)


COLLECTOR = ServiceSpec(name="collector", settings_class=CollectorSettings, start=start)
