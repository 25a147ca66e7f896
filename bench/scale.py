"""Growth: does one message cost more when there are more pods, or more users?

Pods: a stack for each number of them. Users: one stack on which there are more and more. What is
compared is CPU per message, which a machine of few cores tells as well as a large one; how fast
it goes does not grow here, as all pods share the same cores.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from bench.bare import WireLimits
from bench.filling import give_a_past
from bench.runs import ratio
from bench.terms import Terms
from bench.throughput import OPEN_RATE, repeat, target_of, workload_of
from whimbrel.local.stack import Stack, StackSpec

USERS: Final = (1_000, 10_000, 100_000)
PODS: Final = (1, 2, 4)
_PART: Final = 0.6
"""Of the measured seconds of other benches: there are twelve runs."""


async def measure_scale(terms: Terms, wire: WireLimits) -> dict[str, Any]:
    """Flat: pods_N_… and users_N_…, each closed loop and open loop at 1,500 a second. Raises
    LoadFailedError and StackError."""
    del wire
    found: dict[str, Any] = {"lost": 0, "duplicated": 0}
    pods = [count for count in PODS if count <= terms.most_pods]
    for count in pods:
        terms.say(f"scale: {count} pods of each role …")
        # The routers of a stack are fixed: each number of pods has a stack of its own.
        spec = StackSpec(access=count, logic=count, router=count, push=0, gateway=0, drain=0)
        async with Stack.start(spec) as stack:
            _add(found, f"pods_{count}", await _cost(stack, terms, f"pods-{count}"))
            if count == 1:
                await _add_users(found, stack, terms)
    for kind, first, last in (("users", USERS[0], USERS[-1]), ("pods", pods[0], pods[-1])):
        for loop in ("", "open_loop_"):
            key = f"{loop}core_ms_per_message"
            found[f"{kind}_{last}_to_{first}_{key}_ratio"] = ratio(
                found[f"{kind}_{last}_{key}"], found[f"{kind}_{first}_{key}"]
            )
    return found


async def _add_users(found: dict[str, Any], stack: Stack, terms: Terms) -> None:
    there = 0
    for count in USERS:
        users = terms.sized(count)
        terms.say(f"scale: {users} users …")
        await give_a_past(stack.mongo_url, range(there, users))
        there = users
        _add(found, f"users_{count}", await _cost(stack, terms, f"users-{count}"))


async def _cost(stack: Stack, terms: Terms, name: str) -> dict[str, Any]:
    """One short run of each loop: the growth is told by six of them."""
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


def _add(found: dict[str, Any], name: str, cost: dict[str, Any]) -> None:
    for key, value in cost.items():
        if key in ("lost", "duplicated"):
            found[key] += value
        else:
            found[f"{name}_{key}"] = value
