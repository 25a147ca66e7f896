"""What a stream that does nothing costs, and how fast streams attach: plain and with TLS.

A stack with one Access pod, and one process with the clients. A first batch warms everything up;
the second one is measured: CPU of the servers while it attaches, memory of the Access pod before
and after.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import psutil

from bench.bare import ATTACHES_AT_ONCE, WireLimits
from bench.connections_load import BatchResult, ConnectionsPlan
from bench.cpu import core_ms_of
from bench.figures import percentile
from bench.load import GO, READY
from bench.processes import LoadFailedError, expect, line_of, start, write
from bench.runs import ratio
from bench.terms import Terms
from whimbrel.local.stack import Stack, StackSpec

START_SECONDS = 60.0
ATTACH_SECONDS = 300.0
_POD = "access-0"


@dataclass(frozen=True)
class ConnectionsWorkload:
    """What is measured."""

    streams: int = 2_000
    warm_up: int = 200
    """Streams before those that are measured."""
    at_once: int = ATTACHES_AT_ONCE
    """Attaches under way at a time."""
    tls: bool = False
    settle_seconds: float = 3.0
    """Until what attaching has left behind is done: cursors, heads, the renewal of leases."""


@dataclass(frozen=True)
class ConnectionsFigures:
    """One run. The keys are stable."""

    tls: bool
    streams: int
    refused: int
    attaches_per_second: float
    """By the clock, with clients and stores on the same machine."""
    attaches_per_core_second: float
    """By the CPU of the Access pod."""
    attaches_per_core_second_of_all: float
    """By the CPU of all server processes, mongod and redis included."""
    attach_p50_ms: float
    attach_p99_ms: float
    kib_per_stream: float
    """Of the Access pod's resident memory."""
    core_ms_by_process: dict[str, float]
    """For each attach."""


async def measure_connections(terms: Terms, wire: WireLimits) -> dict[str, Any]:
    """Plain, with the ratios to bare grpc.aio; and with TLS, under keys with tls_."""
    workload = ConnectionsWorkload(
        terms.sized(2_000, 20),
        terms.sized(200, 5),
        settle_seconds=ConnectionsWorkload.settle_seconds * min(1.0, terms.size * 10),
    )
    terms.say(f"connections: {workload.streams} streams, plain …")
    plain = await run(workload)
    terms.say(f"connections: {workload.streams} streams with TLS …")
    secured = await run(replace(workload, tls=True))
    return {
        **asdict(plain),
        "kib_per_stream_ratio": ratio(plain.kib_per_stream, wire.kib_per_stream),
        "attaches_per_second_ratio": ratio(plain.attaches_per_second, wire.attaches_per_second),
        **{f"tls_{key}": value for key, value in asdict(secured).items() if key != "tls"},
    }


async def run(workload: ConnectionsWorkload) -> ConnectionsFigures:
    """Start a stack, measure, end it. Raises LoadFailedError, StackError."""
    spec = StackSpec(push=0, gateway=0, drain=0, tls=workload.tls)
    async with Stack.start(spec) as stack:
        users = [f"idle-{number}" for number in range(workload.warm_up + workload.streams)]
        plan = ConnectionsPlan(
            endpoint=stack.endpoints[0],
            tokens={user: stack.token(user) for user in users},
            batches=[workload.warm_up, workload.streams],
            at_once=workload.at_once,
            ca_file=stack.record.ca_file,
        )
        process = await start("bench.connections_load")
        try:
            write(process, json.dumps(asdict(plan)))
            await expect(process, READY, START_SECONDS)
            await _batch(process)
            await asyncio.sleep(workload.settle_seconds)
            pids = stack.server_pids()
            memory = psutil.Process(pids[_POD])
            cpu_before, rss_before = core_ms_of(pids), memory.memory_info().rss
            result = await _batch(process)
            cpu_after = core_ms_of(pids)
            await asyncio.sleep(workload.settle_seconds)
            rss_after = memory.memory_info().rss
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    used = {name: cpu_after[name] - cpu_before[name] for name in cpu_before}
    return figures_of(workload, result, used, rss_after - rss_before)


def figures_of(
    workload: ConnectionsWorkload, result: BatchResult, core_ms: dict[str, float], rss_bytes: int
) -> ConnectionsFigures:
    """From what was counted. Pure. Raises LoadFailedError when nothing has attached."""
    attached = len(result.latencies_us)
    if not attached:
        raise LoadFailedError("no stream was attached")
    ordered = sorted(result.latencies_us)
    return ConnectionsFigures(
        tls=workload.tls,
        streams=attached,
        refused=result.refused,
        attaches_per_second=round(attached / (result.ended - result.began), 1),
        attaches_per_core_second=round(attached / max(1e-3, core_ms[_POD] / 1000), 1),
        attaches_per_core_second_of_all=round(
            attached / max(1e-3, sum(core_ms.values()) / 1000), 1
        ),
        attach_p50_ms=round(percentile(ordered, 0.50) / 1000, 2),
        attach_p99_ms=round(percentile(ordered, 0.99) / 1000, 2),
        kib_per_stream=round(rss_bytes / 1024 / attached, 1),
        core_ms_by_process={
            name: round(used / attached, 3) for name, used in sorted(core_ms.items())
        },
    )


async def _batch(process: asyncio.subprocess.Process) -> BatchResult:
    write(process, GO)
    return BatchResult(**json.loads(await line_of(process, ATTACH_SECONDS)))
