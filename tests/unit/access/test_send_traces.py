"""Which messages are traced: decided once, at the sender's pod, and never dearly."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.access.send_traces import SendTraces
from whimbrel.core.traceparent import TraceContext
from whimbrel.runtime.settings import PodSettings
from whimbrel.runtime.tracing import Tracing, resource_of
from whimbrel.runtime.tracing_settings import TracingSettings

OF_A_CLIENT = TraceContext(17, 4).traceparent


@pytest.fixture
async def tracing() -> AsyncIterator[Tracing]:
    made = Tracing(InMemorySpanExporter(), resource_of("access", PodSettings()))
    yield made
    await made.close()


def traces_of(tracing: Tracing, seed: int = 1, **settings: float) -> SendTraces:
    dice = random.Random(seed)
    return SendTraces(tracing, TracingSettings(**settings), clock=lambda: 0.0, dice=dice.random)


async def test_the_ratio_decides_for_messages_that_come_without(tracing: Tracing) -> None:
    assert traces_of(tracing, ratio=0).begin("", 1.0) is None
    traces = traces_of(tracing, ratio=0.01)
    begun = sum(traces.begin("", 1.0) is not None for _ in range(10_000))
    assert 70 <= begun <= 130
    all_of_them = traces_of(tracing, ratio=1)
    ids = {trace.context.trace_id for _ in range(100) if (trace := all_of_them.begin("", 1.0))}
    assert len(ids) == 100, "each begins a trace of its own"


async def test_the_trace_of_a_client_goes_on(tracing: Tracing) -> None:
    trace = traces_of(tracing, ratio=0).begin(OF_A_CLIENT, 1.0)
    assert trace is not None
    assert trace.parent == TraceContext(17, 4)
    assert trace.context.trace_id == 17
    assert trace.context.span_id != 4


async def test_clients_cannot_make_tracing_dear(tracing: Tracing) -> None:
    traces = traces_of(tracing, ratio=0, client_traces_per_second=10)
    begun = sum(
        traces.begin(OF_A_CLIENT, second + part / 1000) is not None
        for second in range(10)
        for part in range(1000)
    )
    assert begun <= 10 + 10 * 10
    forbidden = traces_of(tracing, ratio=1, client_traces_per_second=0)
    assert forbidden.begin(OF_A_CLIENT, 1.0) is None


@pytest.mark.parametrize("text", ["nonsense", TraceContext(17, 4).traceparent[:-1] + "0"])
async def test_what_is_no_sampled_traceparent_counts_as_absent(tracing: Tracing, text: str) -> None:
    assert traces_of(tracing, ratio=0).begin(text, 1.0) is None
    trace = traces_of(tracing, ratio=1).begin(text, 1.0)
    assert trace is not None
    assert trace.parent is None
