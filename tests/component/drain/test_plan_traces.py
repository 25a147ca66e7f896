"""Traces on their way out of the controller: over OTLP to a collector, or to one that is away."""

# ruff: noqa: N802 - the contract names the methods

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from services.drain.adapters.plan_observer_otel import open_plan_spans
from services.drain.domain.plans import Plan, PlanKind, PlanOutcome
from whimbrel.runtime.settings import PodSettings
from whimbrel.runtime.tracing import open_tracing

WALL_MS = 1_800_000_000_000


class FakeCollector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.requests: list[trace_service_pb2.ExportTraceServiceRequest] = []

    async def Export(self, request: trace_service_pb2.ExportTraceServiceRequest, _: Any) -> Any:
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def collecting(collector: FakeCollector) -> AsyncIterator[str]:
    server = grpc.aio.server()
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server  # it has no types
    add(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(0)


def ended_plan() -> Plan:
    return Plan(
        "drain.operator.1.1@access-0",
        PlanKind.DRAIN,
        "access-0",
        "operator",
        started_ms=WALL_MS,
        outcome=PlanOutcome.DONE,
        ended_ms=WALL_MS + 7_000,
    )


async def test_what_has_ended_reaches_the_collector_before_the_controller_is_gone() -> None:
    collector = FakeCollector()
    async with collecting(collector) as endpoint:
        async with AsyncExitStack() as stack:
            pod = PodSettings(id="drain-0", revision="r7")
            tracing = await stack.enter_async_context(open_tracing(endpoint, "drain", pod))
            spans = open_plan_spans(tracing, stack)
            spans.see((), [ended_plan()], WALL_MS + 7_500)
        (request,) = collector.requests
    (resource,) = request.resource_spans
    said = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert said["service.name"] == "whimbrel-drain"
    assert said["service.instance.id"] == "drain-0"
    assert said["service.version"] == "r7"
    (span,) = resource.scope_spans[0].spans
    assert span.name == "drain access-0"
    assert span.end_time_unix_nano - span.start_time_unix_nano == 7_000_000_000


async def test_a_collector_that_is_away_does_not_hold_up_the_end() -> None:
    async with collecting(FakeCollector()) as endpoint:
        pass
    async with asyncio.timeout(10.0), AsyncExitStack() as stack:
        opened = open_tracing(endpoint, "drain", PodSettings())
        spans = open_plan_spans(await stack.enter_async_context(opened), stack)
        spans.see((), [ended_plan()], WALL_MS + 7_500)


@pytest.mark.parametrize(
    "module",
    [*(f"services.{role}.bootstrap" for role in ("access", "drain", "logic", "push")), "whimbrel"],
)
def test_who_sends_no_traces_does_not_import_what_sends_them(module: str) -> None:
    # The SDK itself is no sign: redis-py imports a part of it wherever it is installed.
    program = (
        f"import sys, {module};"
        "assert 'whimbrel.runtime.tracing' not in sys.modules;"
        "assert not [one for one in sys.modules if one.startswith('opentelemetry.exporter')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
