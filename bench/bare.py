"""The bare limits: what this machine gives at this moment to grpc.aio and to MongoDB alone.

Every other figure is compared with one of these from the same run, so that it means something on
another machine and on one that is busy. Server and client are processes of their own, as in what
they are compared with; the mongod is the one of the stack under test.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Final

import psutil

from bench.bare_store import StorePlan, StoreResult
from bench.bare_wire import WirePlan, WireResult
from bench.cpu import core_ms
from bench.processes import end, line_of, start, write

_ANSWER_SECONDS = 90.0
_PORT_SECONDS = 20.0
ATTACHES_AT_ONCE: Final = 64
"""Attaches under way at a time, bare ones and Whimbrel's: enough to find the ceiling of both. With
16 a pod was idle for a sixth of the time, between two batches of attaches."""


@dataclass(frozen=True)
class BareWorkload:
    """What is measured."""

    streams: int = 100
    """Busy at the same time."""
    idle_streams: int = 1000
    at_once: int = ATTACHES_AT_ONCE
    in_flight: int = 8
    seconds: float = 2.0
    """For each of the figures that take time."""


@dataclass(frozen=True)
class WireLimits:
    """grpc.aio alone. A frame here is one echo: in and out again."""

    frames_per_second: float
    """Over `streams` busy streams."""
    frames_per_second_one_stream: float
    core_ms_per_frame: float
    """Of the server, over `streams` busy streams."""
    attaches_per_second: float
    """Connection, stream and first frame, `at_once` at a time."""
    attach_core_ms: float
    """Of the server, for one of them."""
    kib_per_stream: float
    """What the server's resident memory grows by for an idle stream on a connection of its own."""


@dataclass(frozen=True)
class BareLimits(WireLimits, StoreResult):
    """Both. The keys are stable."""


async def wire_limits(workload: BareWorkload) -> WireLimits:
    """Measure grpc.aio. Raises LoadFailedError."""
    async with _echo_server() as (address, server):
        idle, idle_ms, idle_kib = await _attach(
            server,
            WirePlan(address, workload.idle_streams, workload.at_once, seconds=0.0, hold=True),
        )
    async with _echo_server() as (address, server):
        one = await _client(WirePlan(address, 1, 1, workload.in_flight, workload.seconds))
        before = core_ms(server.pid)
        many = await _client(
            WirePlan(
                address, workload.streams, workload.at_once, workload.in_flight, workload.seconds
            )
        )
        busy_ms = core_ms(server.pid) - before
    return WireLimits(
        frames_per_second=round(many.frames / many.seconds, 1),
        frames_per_second_one_stream=round(one.frames / one.seconds, 1),
        core_ms_per_frame=round(busy_ms / max(1, many.frames), 4),
        attaches_per_second=round(workload.idle_streams / idle.attach_seconds, 1),
        attach_core_ms=round(idle_ms / workload.idle_streams, 3),
        kib_per_stream=round(idle_kib / workload.idle_streams, 1),
    )


async def store_limits(mongo_url: str, seconds: float = 2.0) -> StoreResult:
    """Measure MongoDB, with the stack's own durability. Raises LoadFailedError."""
    process = await start("bench.bare_store")
    try:
        write(process, json.dumps(asdict(StorePlan(mongo_url, seconds))))
        return StoreResult(**json.loads(await line_of(process, _ANSWER_SECONDS)))
    finally:
        await end(process)


async def measure(workload: BareWorkload, mongo_url: str) -> BareLimits:
    """All of them, one after the other. Raises LoadFailedError."""
    wire = await wire_limits(workload)
    store = await store_limits(mongo_url, workload.seconds)
    return BareLimits(**asdict(store), **asdict(wire))


@asynccontextmanager
async def _echo_server() -> AsyncIterator[tuple[str, psutil.Process]]:
    process = await start("bench.bare_wire")
    try:
        write(process, "{}")
        port = int(await line_of(process, _PORT_SECONDS))
        yield f"127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        await end(process)


async def _client(plan: WirePlan) -> WireResult:
    process = await start("bench.bare_wire")
    try:
        write(process, json.dumps(asdict(plan)))
        return WireResult(**json.loads(await line_of(process, _ANSWER_SECONDS)))
    finally:
        await end(process)


async def _attach(server: psutil.Process, plan: WirePlan) -> tuple[WireResult, float, float]:
    """Attach and hold; with the server's CPU (ms) and the growth of its memory (KiB)."""
    # What the first streams alone allocate.
    await _client(WirePlan(plan.address, 10, plan.at_once, seconds=0.0))
    before_ms, before_bytes = core_ms(server.pid), server.memory_info().rss
    process = await start("bench.bare_wire")
    try:
        write(process, json.dumps(asdict(plan)))
        result = WireResult(**json.loads(await line_of(process, _ANSWER_SECONDS)))
        grown = (server.memory_info().rss - before_bytes) / 1024
        return result, core_ms(server.pid) - before_ms, grown
    finally:
        await end(process)
