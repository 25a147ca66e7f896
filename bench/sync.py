"""What waits for devices that were away: one with very much, and many with some."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from bench.bare import WireLimits
from bench.figures import percentile
from bench.filling import fill_stack, send
from bench.load import GO, READY
from bench.processes import end, expect, line_of, start, write
from bench.sync_load import SyncPlan, SyncResult
from bench.terms import Terms
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.local.stack import Stack

BODY_BYTES: Final = 200
ONE_MESSAGES: Final = 10_000
MANY_DEVICES: Final = 1_000
MANY_MESSAGES: Final = 100
_FRIENDS: Final = 997
_READY_SECONDS: Final = 60.0
_RESULT_SECONDS: Final = 150.0


async def measure_sync(stack: Stack, terms: Terms, wire: WireLimits) -> dict[str, Any]:
    """Flat. 10,000 messages of 200 bytes for one device, then 100 for each of 1,000."""
    del wire
    waiting = terms.sized(ONE_MESSAGES)
    terms.say(f"sync: {waiting} messages for one device …")
    await fill_stack(stack, _sends("one", 1, waiting, 0))
    found = [
        await _sync(stack, [f"one-0:bench{number}"], waiting, 1) for number in range(terms.runs)
    ]
    seconds = sorted(one["seconds"] for one in found)
    devices, each = terms.sized(MANY_DEVICES), terms.sized(MANY_MESSAGES)
    terms.say(f"sync: {each} messages for each of {devices} devices …")
    await fill_stack(stack, _sends("many", devices, devices * each, waiting))
    many = await _sync(stack, [f"many-{number}" for number in range(devices)], each, 2)
    middle = seconds[len(seconds) // 2]
    return {
        "one_device_messages": waiting,
        "one_device_seconds": middle,
        "one_device_seconds_min": seconds[0],
        "one_device_seconds_max": seconds[-1],
        "one_device_deliveries_per_second": round(waiting / max(1e-6, middle), 1),
        "many_devices": devices,
        "many_devices_messages_each": each,
        "many_devices_seconds": many["seconds"],
        "many_devices_device_p50_ms": many["p50_ms"],
        "many_devices_device_p99_ms": many["p99_ms"],
        "many_devices_deliveries_per_second": round(devices * each / max(1e-6, many["seconds"]), 1),
        "lost": sum(one["lost"] for one in [*found, many]),
        "duplicated": sum(one["duplicated"] for one in [*found, many]),
    }


def _sends(group: str, receivers: int, count: int, first: int) -> Iterator[logic_pb2.SendRequest]:
    """From many people, so that nobody sends faster than a person may."""
    for number in range(count):
        receiver = f"{group}-{number % receivers}"
        yield send(first + number, f"friend{number % _FRIENDS}", receiver, BODY_BYTES)


async def _sync(
    stack: Stack, devices: Sequence[str], messages: int, processes: int
) -> dict[str, Any]:
    """Bring devices ("user" or "user:device") back, once."""
    users = [one.partition(":")[0] for one in devices]
    device = devices[0].partition(":")[2] or "bench"
    plans = [
        SyncPlan(
            users=part,
            tokens={user: stack.token(user) for user in part},
            endpoints=stack.endpoints,
            messages=messages,
            device=device,
        )
        for part in (users[number::processes] for number in range(processes))
    ]
    running = [await start("bench.sync_load") for _ in plans]
    try:
        for process, plan in zip(running, plans, strict=True):
            write(process, json.dumps(asdict(plan)))
        for process in running:
            await expect(process, READY, _READY_SECONDS)
        for process in running:
            write(process, GO)
        lines = await asyncio.gather(*(line_of(one, _RESULT_SECONDS) for one in running))
    finally:
        for process in running:
            await end(process)
    return figures_of([SyncResult(**json.loads(line)) for line in lines], len(users) * messages)


def figures_of(results: Sequence[SyncResult], waiting: int) -> dict[str, Any]:
    """Add up the processes. Pure."""
    taken = sorted(one for result in results for one in result.device_us)
    began = min(result.began for result in results)
    return {
        "seconds": round(max(result.ended for result in results) - began, 3),
        "p50_ms": round(percentile(taken, 0.50) / 1000, 2),
        "p99_ms": round(percentile(taken, 0.99) / 1000, 2),
        "lost": waiting - sum(result.got for result in results),
        "duplicated": sum(result.duplicated for result in results),
    }
