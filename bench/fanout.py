"""One message into a large group: how long until everybody who is online has it?

A stack, two load processes with the online members, and messages one at a time. What is measured
for each message is the moment at which the last of them has it in the application.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.fanout_load import WARM_UP, FanOutPlan, FanOutResult
from bench.figures import percentile
from bench.load import GO, READY
from bench.processes import end, expect, line_of, start, write
from bench.run import Target

CONNECT_SECONDS = 180.0
SETTLE_SECONDS = 120.0
PROCESSES = 2


@dataclass(frozen=True)
class FanOutWorkload:
    """What is measured."""

    group_size: int = 1000
    """Members, the sender included: 2 to 1,000."""
    online: int = 500
    """Members beside the sender who are connected."""
    messages: int = 30
    interval_seconds: float = 1.0
    body_bytes: int = 100
    in_flight: int = 1
    """Messages that wait for their acceptance at the same time; with an interval of 0 and a few
    of them the deliveries are what limits."""


@dataclass(frozen=True)
class FanOutFigures:
    """One run. The keys are stable."""

    group_size: int
    online: int
    p50_ms: float
    """Until the last member who is online has a message, over the messages."""
    p99_ms: float
    each_p50_ms: float
    """Until one member has it, over all deliveries."""
    each_p99_ms: float
    accepted_p50_ms: float
    """Until the sender has its receipt."""
    deliveries_per_second: float
    """While a message is on its way: deliveries by the time until the last."""
    sustained_deliveries_per_second: float
    """From the first message to the last delivery of the last."""
    messages: int
    lost: int
    duplicated: int


async def run(workload: FanOutWorkload, target: Target, *, name: str = "fanout") -> FanOutFigures:
    """Run the workload once, in a group of this name with people of its own. Raises
    LoadFailedError; ValueError for more online than members."""
    plans = _plans(workload, target, name)
    processes = [await start("bench.fanout_load") for _ in plans]
    try:
        for process, plan in zip(processes, plans, strict=True):
            write(process, json.dumps(asdict(plan)))
        for process in processes:
            await expect(process, READY, CONNECT_SECONDS)
        for process in processes:
            write(process, GO)
        span = (workload.messages + WARM_UP) * workload.interval_seconds
        lines = await asyncio.gather(
            *(line_of(process, 2 * span + SETTLE_SECONDS) for process in processes)
        )
    finally:
        for process in processes:
            await end(process)
    return figures_of(workload, [FanOutResult(**json.loads(line)) for line in lines])


def figures_of(workload: FanOutWorkload, results: Sequence[FanOutResult]) -> FanOutFigures:
    """Add up what the processes saw. Pure."""
    whole: list[int] = []
    each: list[int] = []
    lost = 0
    for number in range(workload.messages):
        got = [one for result in results for one in result.latencies_us.get(str(number), ())]
        lost += workload.online - len(got)
        each += got
        if len(got) == workload.online:
            whole.append(max(got))
    whole.sort()
    each.sort()
    accepted = sorted(one for result in results for one in result.accepted_us)
    span = max(one.last_got for one in results) - max(one.first_sent for one in results)
    return FanOutFigures(
        group_size=workload.group_size,
        online=workload.online,
        p50_ms=_ms(whole, 0.50),
        p99_ms=_ms(whole, 0.99),
        each_p50_ms=_ms(each, 0.50),
        each_p99_ms=_ms(each, 0.99),
        accepted_p50_ms=_ms(accepted, 0.50),
        deliveries_per_second=round(workload.online * len(whole) / max(1e-6, sum(whole) / 1e6), 1),
        sustained_deliveries_per_second=round(len(each) / max(1e-6, span), 1) if each else 0.0,
        messages=len(whole),
        lost=lost,
        duplicated=sum(result.duplicated for result in results),
    )


def _ms(ordered: Sequence[int], share: float) -> float:
    return round(percentile(ordered, share) / 1000, 2)


def _plans(workload: FanOutWorkload, target: Target, name: str) -> list[FanOutPlan]:
    if not 0 < workload.online < workload.group_size:
        raise ValueError("of a group's members at least one is online, and the sender beside them")
    sender = f"{name}-sender"
    members = [f"{name}-{number}" for number in range(workload.group_size - 1)]
    online = members[: workload.online]
    plans = []
    for number in range(PROCESSES):
        # In halves and not in turn, so that each process spreads its own over all pods.
        half = len(online) * number // PROCESSES, len(online) * (number + 1) // PROCESSES
        receivers = online[slice(*half)]
        people = [*receivers, *([sender] if number == 0 else [])]
        plans.append(
            FanOutPlan(
                receivers=receivers,
                tokens={user: target.token_of(user) for user in people},
                endpoints=list(target.endpoints),
                messages=workload.messages,
                interval_seconds=workload.interval_seconds,
                body_bytes=workload.body_bytes,
                in_flight=workload.in_flight,
                group_id=name,
                sender=sender if number == 0 else "",
                members=members if number == 0 else [],
            )
        )
    return plans
