"""Throughput and latency: several runs of one workload, and what they are worth on this machine.

A ratio divides a figure by the bare limit of the same run: messages by what insert_many alone
would store of them, latencies by one durable insert, CPU by that of one echo.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Final

from bench.bare import WireLimits, store_limits, wire_limits
from bench.bare_store import StoreResult
from bench.flames import find_py_spy, recording
from bench.run import Target, Workload, run
from bench.runs import medians, ratio
from bench.terms import Terms
from whimbrel.local.stack import Stack

DOCUMENTS_PER_MESSAGE: Final = 3
"""Of a direct message: itself, and an entry in two timelines."""
OPEN_RATE: Final = 1500.0
"""Messages a second of the open loop beside the closed one."""
LATENCY_RATE: Final = 200.0
_WARM_SECONDS: Final = 2.0


async def measure_throughput(stack: Stack, terms: Terms, wire: WireLimits) -> dict[str, Any]:
    """The ceiling, and beside it (keys with open_loop_) an open loop at 1,500 a second."""
    target = target_of(stack)
    store = await store_limits(stack.mongo_url, terms.bare.seconds)
    workload = workload_of(terms)
    closed = await repeat(workload, target, terms, "closed")
    opened = await repeat(replace(workload, rate=OPEN_RATE * terms.size), target, terms, "open")
    return {
        **with_ratios(closed, wire, store),
        **{f"open_loop_{key}": value for key, value in opened.items()},
        **bare_keys(wire, store),
        **{key: closed[key] + opened[key] for key in ("lost", "duplicated")},
    }


async def measure_latency(stack: Stack, terms: Terms, wire: WireLimits) -> dict[str, Any]:
    """At 200 messages a second, which leaves room."""
    store = await store_limits(stack.mongo_url, terms.bare.seconds)
    workload = replace(workload_of(terms), rate=LATENCY_RATE)
    found = await repeat(workload, target_of(stack), terms, "latency")
    return {**with_ratios(found, wire, store), **paced(found, store), **bare_keys(wire, store)}


async def measure_alone(workload: Workload, stack: Stack, terms: Terms) -> dict[str, Any]:
    """One workload with the limits around it, as the command asks for it."""
    terms.say("measuring bare grpc.aio and MongoDB …")
    wire = await wire_limits(terms.bare)
    store = await store_limits(stack.mongo_url, terms.bare.seconds)
    found = await repeat(workload, target_of(stack), terms, "bench")
    return {**with_ratios(found, wire, store), **bare_keys(wire, store)}


async def repeat(workload: Workload, target: Target, terms: Terms, name: str) -> dict[str, Any]:
    """Medians of several runs. Raises LoadFailedError."""
    if terms.profile:
        find_py_spy()
    if terms.warms_up:
        # One short run first: indexes, connections and caches are those of a running system.
        terms.say(f"{name}: warming up …")
        await run(replace(workload, seconds=_WARM_SECONDS), target, name=f"{name}-warm")
    found = []
    for number in range(terms.runs):
        terms.say(f"{name}: run {number + 1} of {terms.runs}, {workload.seconds:g} s …")
        found.append((await run(workload, target, name=f"{name}-{number}")).as_json())
    if terms.profile:
        terms.say(f"{name}: once more, with py-spy …")
        watch = recording(target.processes, terms.profile, name)
        await run(workload, target, name=f"{name}-seen", meanwhile=watch)
    return medians(found)


def with_ratios(found: dict[str, Any], wire: WireLimits, store: StoreResult) -> dict[str, Any]:
    """The figures, and beside those that have a bare limit how many times it they are. Pure."""
    bare_messages = store.documents_per_second / DOCUMENTS_PER_MESSAGE
    return {
        **found,
        "messages_per_second_ratio": ratio(found["messages_per_second"], bare_messages),
        "core_ms_per_message_ratio": ratio(found["core_ms_per_message"], wire.core_ms_per_frame),
        "p50_ms_ratio": ratio(found["p50_ms"], store.insert_p50_ms),
        "p99_ms_ratio": ratio(found["p99_ms"], store.insert_p99_ms),
        "p99_ms_to_insert_p50_ratio": ratio(found["p99_ms"], store.insert_p50_ms),
    }


def paced(found: dict[str, Any], store: StoreResult) -> dict[str, Any]:
    """Latencies to the half of the inserts that come at the same rate. Pure."""
    return {
        "p50_ms_to_paced_insert_ratio": ratio(found["p50_ms"], store.paced_insert_p50_ms),
        "p99_ms_to_paced_insert_p50_ratio": ratio(found["p99_ms"], store.paced_insert_p50_ms),
    }


def bare_keys(*limits: WireLimits | StoreResult) -> dict[str, Any]:
    """The limits under their own names, so that a reader sees both. Pure."""
    return {f"bare_{key}": value for one in limits for key, value in asdict(one).items()}


def target_of(stack: Stack) -> Target:
    """A stack that was started here."""

    def processes() -> dict[str, int]:
        # Without the collector, which stands for one that is elsewhere.
        pids = stack.server_pids()
        return {name: pid for name, pid in pids.items() if name != "collector"}

    return Target(stack.endpoints, stack.token, processes)


def workload_of(terms: Terms) -> Workload:
    """The closed loop, as long and as large as the terms say."""
    return Workload(
        pairs=terms.sized(100),
        seconds=terms.seconds,
        warm_up_seconds=terms.warm_up_seconds,
        processes=terms.processes,
    )
