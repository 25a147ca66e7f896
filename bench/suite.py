"""All benches one after the other, within a budget: what `whimbrel bench all` is.

The figures of the first bench stand at the top, those of the others under their names, beside
`bare`, `machine` and `skipped`. In the smoke form the benches share one stack, and those that need
their own run beside them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from bench.bare import WireLimits, wire_limits
from bench.machine import describe
from bench.processes import LoadFailedError
from bench.registry import BENCHES, Bench, OnItsOwn, OnStack
from bench.terms import Terms
from whimbrel.local.errors import StackError
from whimbrel.local.stack import Stack, StackSpec

BUDGET_SECONDS: Final = 14 * 60.0
_SHARED: Final = StackSpec(access=2, gateway=0, push=0)


async def measure_all(
    terms: Terms,
    *,
    benches: Sequence[Bench] = BENCHES,
    budget_seconds: float = BUDGET_SECONDS,
) -> dict[str, Any]:
    """Run them; one that fails is noted under `failed` and the next one begins. Raises
    LoadFailedError and StackError when the first one fails: without it there is no result."""
    began = time.monotonic()
    found: dict[str, Any] = {}
    skipped: list[str] = []
    failed: dict[str, str] = {}
    terms.say("bare: grpc.aio alone …")
    wire = await wire_limits(terms.bare)
    for number, bench in enumerate(benches):
        left = budget_seconds - (time.monotonic() - began)
        if bench.seconds > left:
            terms.say(f"{bench.name}: skipped, {left:.0f} of {bench.seconds:.0f} s are left")
            skipped.append(bench.name)
            continue
        terms.say(f"[{number + 1}/{len(benches)}] {bench.name}, {left:.0f} s left")
        try:
            async with asyncio.timeout(left):
                figures = await _measure(bench, terms, wire)
        except (LoadFailedError, StackError, TimeoutError, RuntimeError) as error:
            if number == 0:
                raise
            terms.say(f"{bench.name}: {error}")
            failed[bench.name] = str(error) or "it did not end in time"
            continue
        if number == 0:
            found |= figures
        else:
            found[bench.name] = figures
    return {
        **found,
        "bare": asdict(wire),
        "machine": describe(),
        "skipped": skipped,
        "failed": failed,
        "took_seconds": round(time.monotonic() - began, 1),
    }


async def _measure(bench: Bench, terms: Terms, wire: WireLimits) -> dict[str, Any]:
    if not isinstance(bench, OnStack):
        return await bench.measure(terms, wire)
    async with Stack.start(bench.spec) as stack:
        return await bench.measure(stack, terms, wire)


async def smoke_all(terms: Terms, benches: Sequence[Bench] = BENCHES) -> dict[str, Any]:
    """Those that have a small form, on one stack where they can share it."""
    wire = await wire_limits(terms.bare)
    try:
        async with asyncio.TaskGroup() as lanes:
            shared = lanes.create_task(_smoke_shared(terms, benches, wire))
            own = lanes.create_task(_smoke_own(terms, benches, wire))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    found = {**shared.result(), **own.result()}
    return {**found, "bare": asdict(wire), "machine": describe(), "skipped": [], "failed": {}}


async def _smoke_shared(terms: Terms, benches: Sequence[Bench], wire: WireLimits) -> dict[str, Any]:
    found: dict[str, Any] = {}
    on_stack = [bench for bench in benches if isinstance(bench, OnStack)]
    if not on_stack:
        return found
    async with Stack.start(_SHARED) as stack:
        for bench in on_stack:
            terms.say(f"{bench.name} …")
            figures = await bench.measure(stack, terms, wire)
            found = found | {bench.name: figures} if found else dict(figures)
    return found


async def _smoke_own(terms: Terms, benches: Sequence[Bench], wire: WireLimits) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for bench in benches:
        if isinstance(bench, OnItsOwn) and bench.has_smoke_form:
            terms.say(f"{bench.name} …")
            found[bench.name] = await bench.measure(terms, wire)
    return found


def lost_in(found: dict[str, Any]) -> int:
    """Messages that were lost, doubled or out of order anywhere. Pure."""
    own = sum(found.get(key, 0) for key in ("lost", "duplicated", "reordered"))
    return int(own) + sum(lost_in(one) for one in found.values() if isinstance(one, dict))
