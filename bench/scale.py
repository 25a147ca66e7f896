"""Growth: does one message cost more when there are more pods, or more users?

Pods: a stack for each number of them. Users: one stack on which there are more and more. What is
compared is CPU per message, which a machine of few cores tells as well as a large one; how fast
it goes does not grow here, as all pods share the same cores.

A shared machine is slower in some minutes than in others, and then all CPU is dearer: so what is
compared is measured in rounds, few and many one soon after the other, and again. A ratio is the
median of those of the rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from types import MappingProxyType
from typing import Any, Final

from bench.bare import WireLimits
from bench.filling import give_a_past
from bench.runs import ratio
from bench.terms import Terms
from bench.throughput import OPEN_RATE, repeat, target_of, workload_of
from whimbrel.local.stack import Stack, StackSpec

USERS: Final = (1_000, 10_000, 100_000)
PODS: Final = (1, 2, 4)
_PART: Final = 0.4
"""Of the measured seconds of other benches: there are sixteen runs."""
_MOST_ROUNDS: Final = 2
_COUNTED: Final = ("lost", "duplicated", "open_loop_late_starts")

Costs = Mapping[str, Mapping[str, Any]]
"""By "users_N" (one pod of each role) and "pods_N": the figures of a closed loop and, with
open_loop_, of an open one."""


async def measure_scale(terms: Terms, wire: WireLimits) -> dict[str, Any]:
    """Flat: pods_N_… and users_N_…, each closed loop and open loop at 1,500 a second. Raises
    LoadFailedError and StackError."""
    del wire
    few, many = USERS[0], USERS[-1]
    most = max(count for count in PODS if count <= terms.most_pods)
    rounds: list[Costs] = []
    for number in range(min(_MOST_ROUNDS, terms.runs)):
        # What lies between the ends is told once.
        is_first = number == 0
        costs = await _costs(terms, 1, USERS if is_first else (few, many), number)
        for count in PODS[1:] if is_first else (most,):
            if count <= most:
                costs |= await _costs(terms, count, (few,), number)
        rounds.append(costs)
    compared = {
        f"users_{many}_to_{few}": (f"users_{few}", f"users_{many}"),
        f"pods_{most}_to_1": (f"users_{few}", f"pods_{most}"),
    }
    return flat(rounds, compared, other_names={"pods_1": f"users_{few}"})


def flat(
    rounds: Sequence[Costs],
    compared: Mapping[str, tuple[str, str]],
    other_names: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Medians over the rounds; by the name of each comparison, what the second of two costs, times
    the first; and what is told under another name besides. Pure."""
    found: dict[str, Any] = {"lost": 0, "duplicated": 0}
    for name in rounds[0]:
        seen = [costs[name] for costs in rounds if name in costs]
        for key in seen[0]:
            values = [figures[key] for figures in seen]
            is_sum = key in _COUNTED
            found[f"{name}_{key}"] = sum(values) if is_sum else round(median(values), 4)
            if key in found:
                found[key] += sum(values)
    for other, name in other_names.items():
        for key in rounds[0][name]:
            found[f"{other}_{key}"] = found[f"{name}_{key}"]
    for kind, (first, last) in compared.items():
        for loop in ("", "open_loop_"):
            key = f"{loop}core_ms_per_message"
            ratios = [ratio(costs[last][key], costs[first][key]) for costs in rounds]
            found[f"{kind}_{key}_ratio"] = round(median(ratios), 4)
            found[f"{kind}_{key}_ratio_min"] = min(ratios)
            found[f"{kind}_{key}_ratio_max"] = max(ratios)
    return found


async def _costs(
    terms: Terms, pods: int, users: Sequence[int], number: int
) -> dict[str, dict[str, Any]]:
    """On a stack of its own, as the routers of one are fixed: with one pod of each role by ever
    more users, with several of them by their number."""
    costs: dict[str, dict[str, Any]] = {}
    terms.say(f"scale: {pods} pods of each role …")
    spec = StackSpec(access=pods, logic=pods, router=pods, push=0, gateway=0, drain=0)
    async with Stack.start(spec) as stack:
        there = 0
        for count in users:
            wanted = terms.sized(count)
            terms.say(f"scale: {wanted} users …")
            await give_a_past(stack.mongo_url, range(there, wanted))
            there = wanted
            name = f"users_{count}" if pods == 1 else f"pods_{pods}"
            costs[name] = await _cost(stack, terms, f"{name}-{number}".replace("_", "-"))
    return costs


async def _cost(stack: Stack, terms: Terms, name: str) -> dict[str, Any]:
    """One short run of each loop: the growth is told by several of them."""
    once = replace(terms, runs=1, seconds=_PART * terms.seconds, profile=None)
    workload = workload_of(once)
    target = target_of(stack)
    closed = await repeat(workload, target, once, name)
    opened = await repeat(
        replace(workload, rate=OPEN_RATE * terms.size),
        target,
        replace(once, warms_up=False),
        f"{name}-open",
    )
    kept = ("messages_per_second", "core_ms_per_message", "p50_ms", "p99_ms")
    counted = ("lost", "duplicated")
    return {
        **{key: closed[key] for key in kept},
        **{f"open_loop_{key}": opened[key] for key in (*kept, "late_starts")},
        **{key: closed[key] + opened[key] for key in counted},
    }
