"""Runs one benchmark: a stack, load processes beside it, and the CPU of every server process.

Closed loop: each sender has `in_flight` messages under way all the time, which finds the
ceiling. Open loop: messages come at a given rate whatever the answers do, so that latency is
not hidden by a load that waits.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import psutil

from bench.figures import Figures, figures_of
from bench.load import GO, READY, LoadPlan, LoadResult

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


class LoadFailedError(Exception):
    """A load process ended without a result; its own words are in the message."""


async def run(workload: Workload, target: Target, *, name: str = "bench") -> Figures:
    """Run the workload once. Raises LoadFailedError."""
    plans = _plans(workload, target, name)
    processes = [await _start(plan) for plan in plans]
    try:
        for process in processes:
            await _expect_ready(process)
        for process in processes:
            _write(process, GO)
        await asyncio.sleep(workload.warm_up_seconds)
        before = _cpu_ms(target.processes())
        await asyncio.sleep(workload.seconds)
        after = _cpu_ms(target.processes())
        results = await asyncio.gather(*(_result(process) for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
    used = {key: after[key] - before[key] for key in before.keys() & after.keys()}
    return figures_of(results, used)


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


async def _start(plan: LoadPlan) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=256 * 1024 * 1024,
    )
    _write(process, json.dumps(asdict(plan)))
    return process


def _write(process: asyncio.subprocess.Process, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())


async def _expect_ready(process: asyncio.subprocess.Process) -> None:
    line = await _line(process, CONNECT_SECONDS)
    if line != READY:
        raise LoadFailedError(f"a load process said {line[:200]!r} instead of {READY!r}")


async def _result(process: asyncio.subprocess.Process) -> LoadResult:
    return LoadResult(**json.loads(await _line(process, SETTLE_SECONDS)))


async def _line(process: asyncio.subprocess.Process, timeout_seconds: float) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(timeout_seconds):
            line = await process.stdout.readline()
            if line:
                return line.decode().strip()
            said = (await process.stderr.read()).decode()
    except TimeoutError:
        raise LoadFailedError(
            f"a load process gave no answer within {timeout_seconds:.0f} s"
        ) from None
    raise LoadFailedError(f"a load process ended early:\n{said[-2000:]}")


def _cpu_ms(processes: dict[str, int]) -> dict[str, float]:
    """User and system CPU of each process so far, in milliseconds."""
    used = {}
    for name, pid in processes.items():
        times = psutil.Process(pid).cpu_times()
        used[name] = (times.user + times.system) * 1000
    return used
