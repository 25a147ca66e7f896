"""The load of the fan-out bench: members of one group who are online, in a process of their own.

`python -m bench.fanout_load` reads a FanOutPlan as JSON from standard input, connects, says
"ready" on a line, waits for a line that says "go", and prints a FanOutResult as one line of JSON.
The process whose plan has a sender makes the group first, and sends. Times are those of the
machine's one monotonic clock, which all its processes share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field

import uvloop

from bench import collector
from bench.load import READY
from whimbrel.client import Client, connect

SETTLE_SECONDS = 15.0
WARM_UP = 3
"""Messages before those that are measured: members, routes and connections are warm then."""


@dataclass(frozen=True)
class FanOutPlan:
    """What one process does."""

    receivers: list[str]
    tokens: dict[str, str]
    endpoints: list[str]
    """Receivers connect to them in turn."""
    messages: int
    interval_seconds: float
    """Between two messages: each is alone in the system when that is long enough."""
    body_bytes: int
    group_id: str
    """client_group_id of the group."""
    sender: str = ""
    members: list[str] = field(default_factory=list)
    """All but the sender; only with a sender."""
    in_flight: int = 1
    """Messages that wait for their acceptance at the same time."""


@dataclass
class FanOutResult:
    """What one process saw."""

    latencies_us: dict[str, list[int]] = field(default_factory=dict)
    """For each measured message (its number as a string, this is JSON): from the call of send to
    the application of each receiver of this process."""
    accepted_us: list[int] = field(default_factory=list)
    """From the call of send to its receipt, of the measured ones."""
    duplicated: int = 0
    first_sent: float = 0.0
    """When the first measured message was sent; 0 in a process without the sender."""
    last_got: float = 0.0
    """When a receiver of this process got the last of them."""


class FanOutLoad:
    """The people of one process."""

    def __init__(self, plan: FanOutPlan) -> None:
        self._plan = plan
        self._latencies: dict[str, list[int]] = defaultdict(list)
        self._result = FanOutResult()

    async def run(self) -> FanOutResult:
        """Connect everybody, wait for the word, send or listen, settle."""
        plan = self._plan
        async with AsyncExitStack() as stack:
            sender = await self._come(stack, plan.sender, 0) if plan.sender else None
            gate = asyncio.Semaphore(10)

            async def come(user: str, turn: int) -> Client:
                async with gate:
                    return await self._come(stack, user, turn)

            receivers = await asyncio.gather(*(come(u, n) for n, u in enumerate(plan.receivers)))
            listening = [asyncio.create_task(self._listen(one)) for one in receivers]
            group = ""
            if sender is not None:
                group = await sender.create_group(
                    plan.members, client_group_id=plan.group_id, timeout_seconds=60
                )
                listening.append(asyncio.create_task(self._listen(sender)))
            collector.rest()
            print(READY, flush=True)  # noqa: T201 - the protocol with the parent
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            if sender is not None:
                await self._send_all(sender, group)
            await self._settle()
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
        self._result.latencies_us = dict(self._latencies)
        return self._result

    async def _come(self, stack: AsyncExitStack, user: str, turn: int) -> Client:
        plan = self._plan
        turn %= len(plan.endpoints)
        order = plan.endpoints[turn:] + plan.endpoints[:turn]
        return await stack.enter_async_context(
            connect(order, plan.tokens[user], device="bench", timeout_seconds=60)
        )

    async def _send_all(self, sender: Client, group: str) -> None:
        await self._voice(sender, group, iter(range(-WARM_UP, 0)))
        numbers = iter(range(self._plan.messages))
        self._result.first_sent = time.monotonic()
        async with asyncio.TaskGroup() as voices:
            for _ in range(self._plan.in_flight):
                voices.create_task(self._voice(sender, group, numbers))

    async def _voice(self, sender: Client, group: str, numbers: Iterator[int]) -> None:
        plan = self._plan
        for number in numbers:
            began = time.monotonic()
            text = f"{number} {began!r} ".ljust(plan.body_bytes, ".")
            await sender.send_to(group, text, timeout_seconds=60)
            if number >= 0:
                self._result.accepted_us.append(int((time.monotonic() - began) * 1e6))
            await asyncio.sleep(max(0.0, began + plan.interval_seconds - time.monotonic()))

    async def _listen(self, client: Client) -> None:
        seen: set[str] = set()
        async for event in client.events():
            number, began, *_ = event.text.split(" ")
            if number in seen:
                self._result.duplicated += 1
            elif int(number) >= 0:
                self._result.last_got = time.monotonic()
                self._latencies[number].append(int((time.monotonic() - float(began)) * 1e6))
            seen.add(number)

    async def _settle(self) -> None:
        """Until everybody has everything, or nothing has come for a while."""
        plan = self._plan
        whole = len(plan.receivers) * plan.messages
        patience = SETTLE_SECONDS + WARM_UP * plan.interval_seconds
        began = time.monotonic()
        while sum(map(len, self._latencies.values())) < whole:
            if time.monotonic() > max(began, self._result.last_got) + patience:
                return
            await asyncio.sleep(0.05)


def main() -> None:
    """See the module."""
    result = uvloop.run(FanOutLoad(FanOutPlan(**json.loads(sys.stdin.readline()))).run())
    print(json.dumps(asdict(result)), flush=True)  # noqa: T201 - the protocol with the parent


if __name__ == "__main__":
    main()
