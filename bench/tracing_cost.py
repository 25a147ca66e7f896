"""What tracing costs: a stack that traces and one that does not, measured in turns.

Between two runs of the same stack lie some percent here; so each pair of runs gives one cost, the
stacks change places in every pair, and the cost is the median of the pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.run import Workload, run
from bench.runs import medians
from bench.terms import Terms
from bench.throughput import target_of
from whimbrel.local.stack import Stack

Runs = Sequence[dict[str, Any]]


async def measure_cost(
    traced: Stack, untraced: Stack, workload: Workload, terms: Terms
) -> dict[str, Any]:
    """The medians of the stack that traces, with the keys of `cost`. Raises LoadFailedError."""
    targets = {"traced": target_of(traced), "untraced": target_of(untraced)}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in targets}
    for number in range(-terms.warms_up, terms.runs):
        order = sorted(targets, reverse=bool(number % 2))
        for name in order:
            terms.say(
                f"{name}: " + (f"pair {number + 1} of {terms.runs} …" if number >= 0 else "…")
            )
            figures = await run(workload, targets[name], name=f"{name}-{number}")
            if number >= 0:
                found[name].append(figures.as_json())
    return {**medians(found["traced"]), **cost(found["traced"], found["untraced"])}


def cost(traced: Runs, untraced: Runs) -> dict[str, Any]:
    """What the first lose to the second, pair by pair; pure.

    tracing_cost_ratio: the share of messages_per_second that tracing takes; below 0 when the
    traced run was the quicker one. tracing_cost_core_us_per_message: CPU of all servers.
    """
    pairs = list(zip(traced, untraced, strict=True))
    made = medians(
        [
            {
                "untraced_messages_per_second": other["messages_per_second"],
                "tracing_cost_ratio": 1 - one["messages_per_second"] / other["messages_per_second"],
                "tracing_cost_core_us_per_message": 1000
                * (one["core_ms_per_message"] - other["core_ms_per_message"]),
            }
            for one, other in pairs
        ]
    )
    return {**made, "lost": sum(run["lost"] for pair in pairs for run in pair)}
