"""The load: pairs of people who talk through the real SDK, in a process of their own.

`python -m bench.load` reads a LoadPlan as JSON from standard input, connects, says "ready" on a
line, waits for a line that says "go", and prints a LoadResult as one line of JSON. It measures
what its own people see and knows nothing of the servers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass

import uvloop

from bench import collector
from bench.histogram import Latencies
from whimbrel.client import Client, connect

READY = "ready"
GO = "go"
SETTLE_SECONDS = 15.0


@dataclass(frozen=True)
class LoadPlan:
    """What one load process does."""

    pairs: list[tuple[str, str]]
    """(sender, receiver); nobody appears twice."""
    tokens: dict[str, str]
    endpoints: list[str]
    """Senders connect to them in turn, each receiver one further on."""
    body_bytes: int
    in_flight: int
    """At most so many messages of one sender wait for their acceptance."""
    rate: float | None
    """Messages a second of this process in an open loop; None for a closed one."""
    warm_up_seconds: float
    seconds: float


@dataclass
class LoadResult:
    """What one load process saw; times are monotonic seconds of this machine."""

    accepted: int = 0
    """Messages accepted inside the measured span."""
    delivered: int = 0
    """Messages sent inside the span that reached the receiver's application."""
    lost: int = 0
    duplicated: int = 0
    late_starts: int = 0
    """Open loop: messages that had to wait because `in_flight` was reached."""
    started: float = 0.0
    ended: float = 0.0
    latencies: str = ""
    """An encoded histogram: from the call of send (open loop: from when it was due) to the
    receiver's application."""


class Load:
    """The people of one process."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._due: dict[str, float] = {}
        self._accepted: set[str] = set()
        self._seen: set[str] = set()
        self._latencies = array("q")
        self._result = LoadResult()
        self._counting = False

    async def run(self) -> LoadResult:
        """Connect everybody, wait for the word, talk, settle, judge."""
        async with AsyncExitStack() as stack:
            senders, receivers = await self._connect(stack)
            listening = [asyncio.create_task(self._listen(one)) for one in receivers]
            # Senders have timelines too: their own messages come to their other devices only,
            # but the events of a client have to be drained by somebody.
            listening += [asyncio.create_task(self._listen(one)) for one in senders]
            collector.rest()
            print(READY, flush=True)  # noqa: T201 - the protocol with the parent
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            talking = [
                asyncio.create_task(self._talk(sender, receiver, number))
                for number, (sender, (_, receiver)) in enumerate(
                    zip(senders, self._plan.pairs, strict=True)
                )
            ]
            await asyncio.sleep(self._plan.warm_up_seconds)
            self._counting = True
            self._result.started = time.monotonic()
            await asyncio.sleep(self._plan.seconds)
            self._result.ended = time.monotonic()
            self._counting = False
            await asyncio.gather(*talking)
            await self._settle()
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
        self._result.lost = len(self._accepted - self._seen)
        self._result.latencies = Latencies.of(self._latencies).encoded()
        return self._result

    async def _connect(self, stack: AsyncExitStack) -> tuple[list[Client], list[Client]]:
        plan = self._plan
        gate = asyncio.Semaphore(20)

        async def come(user: str, turn: int) -> Client:
            turn %= len(plan.endpoints)
            order = plan.endpoints[turn:] + plan.endpoints[:turn]
            async with gate:
                return await stack.enter_async_context(
                    connect(order, plan.tokens[user], device="bench")
                )

        senders = await asyncio.gather(*(come(one, n) for n, (one, _) in enumerate(plan.pairs)))
        receivers = await asyncio.gather(
            *(come(other, n + 1) for n, (_, other) in enumerate(plan.pairs))
        )
        return list(senders), list(receivers)

    async def _listen(self, client: Client) -> None:
        async for event in client.events():
            text = event.text
            due = self._due.get(text)
            if due is None:
                continue
            if text in self._seen:
                self._result.duplicated += 1
                continue
            self._seen.add(text)
            if self._result.started and due >= self._result.started and not self._after(due):
                self._result.delivered += 1
                self._latencies.append(int((time.monotonic() - due) * 1e6))

    def _after(self, due: float) -> bool:
        return bool(self._result.ended) and due > self._result.ended

    async def _talk(self, sender: Client, receiver: str, number: int) -> None:
        end = time.monotonic() + self._plan.warm_up_seconds + self._plan.seconds
        if self._plan.rate is None:
            async with asyncio.TaskGroup() as voices:
                for voice in range(self._plan.in_flight):
                    voices.create_task(self._closed(sender, receiver, f"{number}.{voice}", end))
        else:
            await self._open(sender, receiver, number, end)

    async def _closed(self, sender: Client, receiver: str, name: str, end: float) -> None:
        count = 0
        while time.monotonic() < end:
            await self._say(sender, receiver, f"{name}.{count}", time.monotonic())
            count += 1

    async def _open(self, sender: Client, receiver: str, number: int, end: float) -> None:
        """Each message has its moment, whatever became of those before it."""
        assert self._plan.rate is not None
        interval = len(self._plan.pairs) / self._plan.rate
        due = time.monotonic() + interval * number / len(self._plan.pairs)
        gate = asyncio.Semaphore(self._plan.in_flight)
        count = 0

        async def say(text: str, due: float) -> None:
            try:
                await self._say(sender, receiver, text, due)
            finally:
                gate.release()

        async with asyncio.TaskGroup() as voices:
            while due < end:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                self._result.late_starts += gate.locked()
                await gate.acquire()
                voices.create_task(say(f"{number}.{count}", due))
                count += 1
                due += interval

    async def _say(self, sender: Client, receiver: str, name: str, due: float) -> None:
        text = name.ljust(self._plan.body_bytes, ".")
        self._due[text] = due
        await sender.send(receiver, text, timeout_seconds=60)
        self._accepted.add(text)
        self._result.accepted += self._counting

    async def _settle(self) -> None:
        give_up = time.monotonic() + SETTLE_SECONDS
        while self._accepted - self._seen and time.monotonic() < give_up:
            await asyncio.sleep(0.05)


def main() -> None:
    """See the module."""
    raw = json.loads(sys.stdin.readline())
    raw["pairs"] = [tuple(pair) for pair in raw["pairs"]]
    result = uvloop.run(Load(LoadPlan(**raw)).run())
    print(json.dumps(asdict(result)), flush=True)  # noqa: T201 - the protocol with the parent


if __name__ == "__main__":
    main()
