"""Many people in one process, talking through a cluster with the real SDK, all on record.

The crowd only acts and records; `history.verdict()` decides. It is deterministic in what
it says to whom (seeded), not in when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from random import Random
from types import TracebackType
from typing import Self

from whimbrel.client import Client, ClientSettings, connect
from whimbrel.core.names import direct_conversation
from whimbrel.testing.soak.recorder import Recorder
from whimbrel.testing.soak.witness import Witness

Progress = Callable[[], None]
_DEVICE = "crowd"


class Crowd:
    """Users with one device each, all connected; an async context manager.

    `endpoints` are dealt out in turn, the rest of them being where a client goes when its own
    is gone. `token_of` gives the token of a user.
    """

    def __init__(
        self,
        users: Sequence[str],
        endpoints: Sequence[str],
        token_of: Callable[[str], str],
        *,
        seed: int = 7,
    ) -> None:
        self.users = list(users)
        self.history = Recorder()
        self.clients: dict[str, Client] = {}
        self._endpoints = list(endpoints)
        self._token_of = token_of
        self._random = Random(seed)
        self._stack = AsyncExitStack()
        self._listeners: list[asyncio.Task[None]] = []
        self._groups: list[tuple[str, tuple[str, ...]]] = []
        self._witnesses: dict[str, Witness] = {}
        self._said = 0

    @property
    def losses(self) -> int:
        """How often a client was without a stream after it had had one."""
        return sum(witness.losses for witness in self._witnesses.values())

    @property
    def moves(self) -> list[int]:
        """How often each client has moved."""
        return [client.statistics().moves.moved for client in self.clients.values()]

    async def __aenter__(self) -> Self:
        # A bounded number at once: what is tested here is not a storm.
        gate = asyncio.Semaphore(20)

        async def come(number: int, user: str) -> None:
            async with gate:
                await self._come(number, user)

        async with asyncio.TaskGroup() as tasks:
            for number, user in enumerate(self.users):
                tasks.create_task(come(number, user))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for listener in self._listeners:
            listener.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)
        await self._stack.aclose()

    async def _come(self, number: int, user: str) -> None:
        turn = number % len(self._endpoints)
        order = self._endpoints[turn:] + self._endpoints[:turn]
        witness = self._witnesses[user] = Witness(self.history, f"{user}/{_DEVICE}")
        witness.started()
        settings = ClientSettings(observer=witness)
        client = await self._stack.enter_async_context(
            connect(order, self._token_of(user), device=_DEVICE, settings=settings)
        )
        self.clients[user] = client
        self._listeners.append(asyncio.create_task(self._listen(witness, client)))

    async def _listen(self, witness: Witness, client: Client) -> None:
        async for event in client.events():
            witness.given(event)

    async def form_groups(self, count: int, size: int) -> None:
        """Let users form groups, to which `talk` then sends too."""
        for number in range(count):
            owner, *members = self._random.sample(self.users, size)
            conversation = await self.clients[owner].create_group(members, name=f"group {number}")
            self._groups.append((conversation, (owner, *members)))

    async def talk(
        self,
        messages: int,
        *,
        at_once: int,
        group_share: float = 0.0,
        timeout_seconds: float = 60.0,
        each: Progress = lambda: None,
    ) -> None:
        """Send so many messages, at most `at_once` unanswered in the whole crowd, a share of
        them to groups. Returns when all are durable."""
        plan = [self._plan(group_share) for _ in range(messages)]
        waiting = iter(plan)

        async def one_voice() -> None:
            for sender, members, conversation, text in waiting:
                client, witness = self.clients[sender], self._witnesses[sender]
                identifier = text.replace(" ", "-")
                witness.invoked(identifier, conversation, members, text.encode())
                receipt = await client.send_to(
                    conversation,
                    text,
                    client_message_id=identifier,
                    timeout_seconds=timeout_seconds,
                )
                witness.ok(receipt)
                each()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(one_voice())

    def _plan(self, group_share: float) -> tuple[str, tuple[str, ...], str, str]:
        self._said += 1
        text = f"message {self._said}"
        if self._groups and self._random.random() < group_share:
            conversation, members = self._random.choice(self._groups)
            return self._random.choice(members), members, conversation, text
        sender, recipient = self._random.sample(self.users, 2)
        return sender, (sender, recipient), direct_conversation(sender, recipient), text

    async def wait_delivered(self, timeout_seconds: float) -> None:
        """Wait until everything accepted has been given to its recipients, or the time is up:
        the verdict tells."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while self.history.checker.outstanding:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return
