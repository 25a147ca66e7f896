"""Spans on their way to a collector that is there, that is away, and that comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from structlog.testing import capture_logs

from tests.waiting import until
from whimbrel.cli.trace_query import find_trace
from whimbrel.local.traces.collector import COLLECTOR, CollectorSettings
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.settings import PodSettings
from whimbrel.runtime.tracing import CLIENT, Moment, Tracing, open_tracing
from whimbrel.testing.servers import running_service


@asynccontextmanager
async def collector(listen: str = "127.0.0.1:0") -> AsyncIterator[Chassis]:
    async with running_service(COLLECTOR, CollectorSettings(pod=PodSettings(listen=listen))) as one:
        yield one


async def asked(chassis: Chassis, trace_id: str) -> dict[str, Any] | None:
    return await asyncio.to_thread(find_trace, f"http://{chassis.client_address}", trace_id)


def said(tags: list[dict[str, Any]]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in tags}


async def test_a_span_arrives_as_it_was_recorded() -> None:
    pod = PodSettings(id="logic-3", revision="r7", node="n1", zone="z1")
    async with collector() as chassis:
        async with open_tracing(f"http://{chassis.address}", "logic", pod) as tracing:
            root = tracing.begin()
            child = tracing.begin(root)
            other = tracing.begin()
            now = time.monotonic()
            tracing.record(
                "commit",
                child,
                root,
                now - 2.0,
                now,
                {"a": "text", "b": 7, "c": 0.5, "d": True},
                kind=CLIENT,
                links=[other],
                moments=[Moment("happened", now - 1.0, {"why": "so"})],
                error="UNAVAILABLE",
            )
        found = await asked(chassis, root.trace_hex)
    assert found is not None
    (span,) = found["spans"]
    assert span["operationName"] == "commit"
    assert span["spanID"] == f"{child.span_id:016x}"
    assert abs(span["duration"] - 2_000_000) <= 1
    assert abs(span["startTime"] / 1e6 + 2.0 - time.time()) < 60
    assert span["references"] == [
        {"refType": "CHILD_OF", "traceID": root.trace_hex, "spanID": f"{root.span_id:016x}"},
        {"refType": "FOLLOWS_FROM", "traceID": other.trace_hex, "spanID": f"{other.span_id:016x}"},
    ]
    assert said(span["tags"]) == {
        "a": "text",
        "b": 7,
        "c": 0.5,
        "d": True,
        "span.kind": "client",
        "error": True,
        "otel.status_description": "UNAVAILABLE",
    }
    (log,) = span["logs"]
    assert said(log["fields"]) == {"event": "happened", "why": "so"}
    process = found["processes"][span["processID"]]
    assert process["serviceName"] == "whimbrel-logic"
    about = said(process["tags"])
    assert about["service.instance.id"] == "logic-3"
    assert about["service.version"] == "r7"
    assert about["k8s.node.name"] == "n1"
    assert about["cloud.availability_zone"] == "z1"


def record(tracing: Tracing) -> str:
    context = tracing.begin()
    tracing.record("one", context, None, 1.0, 2.0)
    return context.trace_hex


async def test_a_collector_that_is_away_is_said_once_and_holds_up_nobody(
    monkeypatch: Any,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")  # milliseconds
    async with collector() as chassis:
        address = chassis.address
    with capture_logs() as logs:
        async with open_tracing(f"http://{address}", "logic", PodSettings()) as tracing:
            record(tracing)
            await until(lambda: any(log["event"] == "spans_not_exported" for log in logs))
            started = time.monotonic()
            for _ in range(10_000):
                record(tracing)
            assert time.monotonic() - started < 5.0, "it never waits"
            async with collector(address) as chassis:

                async def arrives() -> bool:
                    trace_id = record(tracing)  # may find no room in the queue

                    async def is_there() -> bool:
                        return await asked(chassis, trace_id) is not None

                    try:
                        await until(is_there, seconds=2)
                    except TimeoutError:
                        return False
                    return True

                await until(arrives)
        ended = time.monotonic()
    told = [log["event"] for log in logs if log["event"].startswith("spans_")]
    assert told == ["spans_not_exported", "spans_exported_again"]
    async with asyncio.timeout(5.0):
        async with open_tracing(f"http://{address}", "logic", PodSettings()) as tracing:
            record(tracing)
    assert time.monotonic() - ended < 5.0
