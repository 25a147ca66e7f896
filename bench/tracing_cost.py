"""What tracing costs: a stack that traces beside one that does not, at the same time.

Two runs one after the other differ by a fifth here, whatever they do. So both stacks have their
load at once and compete for the same cores: whatever slows the machine down slows down both. What
is left differs from pair to pair by chance, so the cost comes with its standard error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from math import sqrt
from statistics import mean, stdev
from typing import Any

from bench.figures import Figures
from bench.processes import LoadFailedError
from bench.run import Target, Workload, run
from bench.runs import medians
from bench.terms import Terms
from bench.throughput import target_of
from whimbrel.local.stack import Stack
from whimbrel.local.stack_spec import StackSpec

Runs = Sequence[dict[str, Any]]


async def measure_cost(spec: StackSpec, workload: Workload, terms: Terms) -> dict[str, Any]:
    """The medians of a stack that traces, with the keys of `cost`. Raises LoadFailedError.

    Half of the pairs is measured when the stack that traces was started first, half when it was
    the second: which of two stacks is the older one may make a difference of its own.
    """
    specs = {"traced": spec, "untraced": replace(spec, trace=False)}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in specs}
    first_half = (terms.runs + 1) // 2
    for order, numbers in (
        (["traced", "untraced"], range(first_half)),
        (["untraced", "traced"], range(first_half, terms.runs)),
    ):
        if not numbers:
            continue
        terms.say(f"starting two stacks, the {order[0]} one first …")
        async with AsyncExitStack() as running:
            targets = {
                name: target_of(await running.enter_async_context(Stack.start(specs[name])))
                for name in order
            }
            if terms.warms_up:
                terms.say("warming up …")
                await _run_together(workload, targets, f"warm-{order[0]}")
            for number in numbers:
                terms.say(f"pair {number + 1} of {terms.runs} …")
                for name, one in (await _run_together(workload, targets, str(number))).items():
                    found[name].append(one.as_json())
    return {**medians(found["traced"]), **cost(found["traced"], found["untraced"])}


async def _run_together(
    workload: Workload, targets: Mapping[str, Target], turn: str
) -> dict[str, Figures]:
    together = asyncio.Barrier(len(targets))
    try:
        async with asyncio.TaskGroup() as group:
            running = {
                name: group.create_task(
                    run(workload, target, name=f"{name}-{turn}", ready=together.wait)
                )
                for name, target in targets.items()
            }
    except* LoadFailedError as failed:
        raise failed.exceptions[0] from None
    return {name: task.result() for name, task in running.items()}


def cost(traced: Runs, untraced: Runs) -> dict[str, Any]:
    """What the first lose to the second, each to the one beside it; pure.

    tracing_cost_ratio: the share of messages_per_second that tracing takes, of all pairs
    together; below 0 when the traced stack was the quicker one.
    tracing_cost_core_us_per_message: CPU of all servers, the mean of the pairs. Each with its
    standard error (…_error), 0 for a single pair: the truth lies within two of them 19 times in 20.
    """
    pairs = list(zip(traced, untraced, strict=True))
    rates = [(one["messages_per_second"], other["messages_per_second"]) for one, other in pairs]
    core_us = [
        1000 * (one["core_ms_per_message"] - other["core_ms_per_message"]) for one, other in pairs
    ]
    together = sum(other for _, other in rates)
    return {
        "untraced_messages_per_second": round(together / len(pairs), 1),
        "tracing_cost_ratio": round(1 - sum(one for one, _ in rates) / together, 4),
        "tracing_cost_ratio_error": round(_error([1 - one / other for one, other in rates]), 4),
        "tracing_cost_core_us_per_message": round(mean(core_us), 1),
        "tracing_cost_core_us_per_message_error": round(_error(core_us), 1),
        "lost": sum(run["lost"] for pair in pairs for run in pair),
    }


def _error(values: Sequence[float]) -> float:
    return stdev(values) / sqrt(len(values)) if len(values) > 1 else 0.0
