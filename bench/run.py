"""Runs one benchmark: a stack, load processes beside it, and the CPU of every server process.

Closed loop: each sender has `in_flight` messages under way all the time, which finds the
ceiling. Open loop: messages come at a given rate whatever the answers do, so that latency is
not hidden by a load that waits.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

from bench.cpu import core_ms_of, used_since
from bench.figures import Figures, figures_of
from bench.load import GO, READY, LoadPlan, LoadResult
from bench.processes import end, expect, line_of, start, write

CONNECT_SECONDS = 60.0
SETTLE_SECONDS = 60.0


@dataclass(frozen=True)
class Workload:
    """What is measured."""

    pairs: int = 100
    body_bytes: int = 100
    in_flight: int = 8
    rate: float | None = None
    """Messages a second in all, None for a closed loop."""
    warm_up_seconds: float = 2.0
    seconds: float = 10.0
    processes: int = 2


@dataclass(frozen=True)
class Target:
    """The cluster under test."""

    endpoints: Sequence[str]
    token_of: Callable[[str], str]
    processes: Callable[[], dict[str, int]]
    """Server processes to account for: name to pid. Empty for a cluster elsewhere."""


async def _at_once() -> None:
    """Nobody else is waited for."""


async def run(
    workload: Workload,
    target: Target,
    *,
    name: str = "bench",
    ready: Callable[[], Awaitable[object]] = _at_once,
    meanwhile: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Figures:
    """Run the workload once, with people of this name: another for each run on one stack, as
    what is redelivered from an earlier run would count as a double. `ready` is awaited when all
    are connected, `meanwhile` gets the measured seconds when they begin. Raises LoadFailedError."""
    plans = _plans(workload, target, name)
    processes = [await _begin(plan) for plan in plans]
    try:
        for process in processes:
            await expect(process, READY, CONNECT_SECONDS)
        await ready()
        for process in processes:
            write(process, GO)
        await asyncio.sleep(workload.warm_up_seconds)
        before = core_ms_of(target.processes())
        await meanwhile(workload.seconds)
        after = core_ms_of(target.processes())
        results = await asyncio.gather(*(_result(process) for process in processes))
    finally:
        for process in processes:
            await end(process)
    return figures_of(results, used_since(before, after))


def _plans(workload: Workload, target: Target, name: str) -> list[LoadPlan]:
    pairs = [(f"{name}-{n}-a", f"{name}-{n}-b") for n in range(workload.pairs)]
    parts = [pairs[n :: workload.processes] for n in range(workload.processes)]
    return [
        LoadPlan(
            pairs=part,
            tokens={user: target.token_of(user) for pair in part for user in pair},
            endpoints=list(target.endpoints),
            body_bytes=workload.body_bytes,
            in_flight=workload.in_flight,
            rate=workload.rate and workload.rate * len(part) / len(pairs),
            warm_up_seconds=workload.warm_up_seconds,
            seconds=workload.seconds,
        )
        for part in parts
        if part
    ]


async def _begin(plan: LoadPlan) -> asyncio.subprocess.Process:
    process = await start("bench.load")
    write(process, json.dumps(asdict(plan)))
    return process


async def _result(process: asyncio.subprocess.Process) -> LoadResult:
    return LoadResult(**json.loads(await line_of(process, SETTLE_SECONDS)))
