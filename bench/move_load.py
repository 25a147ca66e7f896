"""The load of the drain bench: many clients in one process, few messages, every move on record.

`python -m bench.move_load` reads a MovePlan as JSON from standard input, connects, says "ready",
talks until a line "stop" comes, and prints a MoveResult as one line of JSON. Times are monotonic
seconds, the same clock for every process of one machine.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from itertools import cycle

import uvloop

from bench import collector
from whimbrel.client import Client, ClientSettings, connect

READY = "ready"
STOP = "stop"
_AT_ONCE = 40
_SETTLE_SECONDS = 10.0


@dataclass(frozen=True)
class MovePlan:
    """What one load process does."""

    users: list[str]
    tokens: dict[str, str]
    endpoints: list[str]
    """User n connects to endpoint n first."""
    receivers_at: str | None
    """Only who is attached there at first gets messages; None: everybody."""
    rate: float
    """Messages a second of this process: from each user in turn to a receiver at random."""


@dataclass
class MoveResult:
    """What its clients saw."""

    accepted: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    deliveries: list[tuple[str, float, float]] = field(default_factory=list)
    """(receiver, when it was sent, milliseconds until its application had it)"""
    attachments: list[tuple[str, float]] = field(default_factory=list)
    """(user, when a stream was welcomed), the first ones included."""
    losses: list[tuple[str, float]] = field(default_factory=list)
    """(user, when it was without a stream)"""
    moves: dict[str, int] = field(default_factory=dict)
    """Of each client since `began`: what happened while they connected tells nothing."""
    homes: dict[str, str] = field(default_factory=dict)
    """Where each client is in the end."""
    began: float = 0.0
    """When everybody was connected and had sent once."""
    ended: float = 0.0
    """When the clients were told to close; what they saw after it is no finding."""


class _Eye:
    """The Observer of one client."""

    def __init__(self, user: str, result: MoveResult) -> None:
        self._user = user
        self._result = result

    def greeted(self) -> None: ...

    def confirmed(self, cursor: int) -> None: ...

    def welcomed(self, first_seq: int, head: int, epoch: int) -> None:
        self._result.attachments.append((self._user, time.monotonic()))

    def lost(self) -> None:
        self._result.losses.append((self._user, time.monotonic()))


class _Load:
    def __init__(self, plan: MovePlan) -> None:
        self.result = MoveResult()
        self._plan = plan
        self._clients: dict[str, Client] = {}
        self._sent: dict[str, tuple[str, float]] = {}
        self._got: Counter[str] = Counter()
        self._everybody_is_here = asyncio.Event()
        self._stopping = asyncio.Event()
        self._closing = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            gate = asyncio.Semaphore(_AT_ONCE)
            for number, user in enumerate(self._plan.users):
                tasks.create_task(self._live(gate, number, user))
            await self._everybody_is_here.wait()
            receivers = self._receivers()
            await self._warm_up(receivers)
            before = {user: im.statistics().moves.moved for user, im in self._clients.items()}
            collector.rest()
            _say(READY)
            stopping = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
            stopping.add_done_callback(lambda _: self._stopping.set())
            await self._talk(receivers)
            await self._settle()
            for user, client in self._clients.items():
                figures = client.statistics()
                self.result.moves[user] = figures.moves.moved - before[user]
                self.result.homes[user] = figures.endpoint or ""
            self.result.ended = time.monotonic()
            self._closing.set()
        self.result.lost = sum(not self._got[one] for one in self._sent)
        self.result.duplicated = sum(count > 1 for count in self._got.values())

    async def _live(self, gate: asyncio.Semaphore, number: int, user: str) -> None:
        """One client, from its first stream to its last."""
        plan = self._plan
        turn = number % len(plan.endpoints)
        order = plan.endpoints[turn:] + plan.endpoints[:turn]
        settings = ClientSettings(observer=_Eye(user, self.result))
        client = connect(order, plan.tokens[user], device="d", settings=settings)
        async with AsyncExitStack() as stack:
            async with gate:
                self._clients[user] = await stack.enter_async_context(client)
            if len(self._clients) == len(plan.users):
                self._everybody_is_here.set()
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(user))
                await self._closing.wait()
                reader.cancel()

    async def _read(self, user: str) -> None:
        last = 0
        async for event in self._clients[user].events():
            self._got[event.text] += 1
            self.result.reordered += event.seq <= last
            last = max(last, event.seq)
            sent = self._sent.get(event.text)
            if sent is not None and self._got[event.text] == 1:
                latency = (time.monotonic() - sent[1]) * 1000
                self.result.deliveries.append((user, sent[1], latency))

    def _receivers(self) -> list[str]:
        at = self._plan.receivers_at
        return [
            user
            for user, client in self._clients.items()
            if at is None or client.statistics().endpoint == at
        ]

    async def _warm_up(self, receivers: list[str]) -> None:
        """Everybody sends once: the first message of a user costs more than the later ones."""
        gate = asyncio.Semaphore(_AT_ONCE)
        turns = cycle(receivers)

        async def send(user: str) -> None:
            async with gate:
                await self._send(user, turns, f"{user}-warm-up")

        async with asyncio.TaskGroup() as tasks:
            for user in self._plan.users:
                tasks.create_task(send(user))

    async def _talk(self, receivers: list[str]) -> None:
        users, number = self._plan.users, 0
        drawn = _drawn(receivers)
        started = self.result.began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            while not self._stopping.is_set():
                due = started + number / self._plan.rate
                delay = due - time.monotonic()
                if delay > 0:
                    await asyncio.sleep(delay)
                sender = users[number % len(users)]
                tasks.create_task(self._send(sender, drawn, f"{sender}-{number}"))
                number += 1

    async def _send(self, sender: str, receivers: Iterator[str], text: str) -> None:
        receiver = next(one for one in receivers if one != sender)
        self._sent[text] = (receiver, time.monotonic())
        await self._clients[sender].send(receiver, text, timeout_seconds=60)
        self.result.accepted += 1

    async def _settle(self) -> None:
        until = time.monotonic() + _SETTLE_SECONDS
        while len(self._got) < len(self._sent) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # what comes twice comes now


def _drawn(receivers: list[str]) -> Iterator[str]:
    """At random: in turn, who gets would go with who is asked to move (the idle first)."""
    dice = random.Random(len(receivers))
    while True:
        yield dice.choice(receivers)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """See the module."""
    load = _Load(MovePlan(**json.loads(sys.stdin.readline())))
    uvloop.run(load.run())
    _say(json.dumps(asdict(load.result)))


if __name__ == "__main__":
    main()
