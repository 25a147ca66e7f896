"""The plot of `whimbrel demo`. It acts and keeps the record; `history.verdict()` decides.

Alice is on access-0, Bob on access-1, Carol in a group with both. Each has a voice that sends
one message after the other, so that a resend never races its successor, and all three talk at
once. Bob leaves for 60 messages and comes back; a Logic pod is killed, then Bob's Access pod.
Each person keeps a SQLite store, as a phone does: that is what makes "once" hold for an
application that starts again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from whimbrel.client import Client, ClientSettings, connect
from whimbrel.client.store_sqlite import SqliteStore
from whimbrel.core.names import direct_conversation
from whimbrel.local.stack import Stack
from whimbrel.testing.soak.recorder import Recorder
from whimbrel.testing.soak.witness import Witness
from whimbrel.testing.story.scenes import Say

PEOPLE = ("alice", "bob", "carol")
MESSAGES = 300
BOB_LEAVES_AT = 60
BOB_RETURNS_AT = 120
LOGIC_DIES_AT = 170
ACCESS_DIES_AT = 230
_SEND_SECONDS = 60.0
_DELIVERED_SECONDS = 45.0
_STRAGGLERS_SECONDS = 2.0
_POLL_SECONDS = 0.05
_TALKERS = 3
_DEVICE = "demo"


class Play:
    """One run. `history` is what the clients saw."""

    def __init__(self, stack: Stack, say: Say) -> None:
        self.history = Recorder()
        self._witnesses = {one: Witness(self.history, client_of(one)) for one in PEOPLE}
        self.sent: Counter[str] = Counter()
        self.reconnects: Counter[str] = Counter()
        self._speaking: Counter[str] = Counter()
        self._stack = stack
        self._say = say
        self._clients: dict[str, Client] = {}
        self._open: dict[str, AsyncExitStack] = {}
        self._group = ""
        self._stores = Path()

    def expected(self, person: str) -> int:
        """How many of the accepted messages are for this person."""
        return sum(
            person in sent.invoked.members and sent.client != client_of(person)
            for sent in self.history.sent.values()
        )

    def got(self, person: str) -> int:
        """How many messages of others this person's application was given."""
        checker, client = self.history.checker, client_of(person)
        given = checker.devices[client].given
        return sum(checker.messages[number].client != client for number in given)

    async def run(self) -> None:
        """The whole plot, until everything accepted has arrived or the time for it is over."""
        with TemporaryDirectory(prefix="whimbrel-demo-") as folder:
            self._stores = Path(folder)
            try:
                await self._act()
            finally:
                for person in list(self._open):
                    await self._leave(person)

    async def _act(self) -> None:
        for person in PEOPLE:
            await self._come(person)
        self._group = await self._clients["alice"].create_group(["bob", "carol"], name="demo")
        self._say("alice is on access-0, bob on access-1, carol is in a group with them")
        numbers = iter(range(MESSAGES))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_TALKERS):
                tasks.create_task(self._talk(numbers))
            tasks.create_task(self._plot())
        self._say(f"all {MESSAGES} messages are sent and durable")
        if not await self._until(lambda: self.history.checker.outstanding == 0, _DELIVERED_SECONDS):
            self._say("not everything has arrived in time")
        # A message that came twice would come the second time after the last one was there.
        await asyncio.sleep(_STRAGGLERS_SECONDS)

    async def _plot(self) -> None:
        """What happens beside the talk, each at its message."""
        await self._until(lambda: self._count() >= BOB_LEAVES_AT)
        await self._leave("bob")
        self._say("bob goes away")
        await self._until(lambda: self._count() >= BOB_RETURNS_AT)
        await self._come("bob")
        missed = self.expected("bob") - self.got("bob")
        self._say(f"bob is back, {missed} messages wait for him")
        await self._until(lambda: self._count() >= LOGIC_DIES_AT)
        await self._stack.kill("logic-0")
        self._say("SIGKILL of logic-0")
        await self._until(lambda: self._count() >= ACCESS_DIES_AT)
        await self._stack.kill("access-1")
        self._say("SIGKILL of access-1, where bob is")

    async def _talk(self, numbers: Iterator[int]) -> None:
        """One of several voices that take the messages in turn."""
        for number in numbers:
            await self._say_one(number)

    async def _say_one(self, number: int) -> None:
        sender = PEOPLE[number % len(PEOPLE)]
        if sender not in self._clients:
            sender = "alice"  # bob is away
        client = self._clients[sender]
        text = f"message {number}"
        other = "alice" if sender == "bob" else "bob"
        to_group = bool(number % 2)
        conversation = self._group if to_group else direct_conversation(sender, other)
        members = PEOPLE if to_group else (sender, other)
        identifier = f"demo-{number}"
        witness = self._witnesses[sender]
        witness.invoked(identifier, conversation, members, text.encode())
        self.sent[sender] += 1
        self._speaking[sender] += 1
        try:
            receipt = await client.send_to(
                conversation, text, client_message_id=identifier, timeout_seconds=_SEND_SECONDS
            )
        finally:
            self._speaking[sender] -= 1
        witness.ok(receipt)

    async def _come(self, person: str) -> None:
        first = self._stack.endpoint_of("access-1" if person == "bob" else "access-0")
        others = [endpoint for endpoint in self._stack.endpoints if endpoint != first]
        witness = self._witnesses[person]
        witness.started(is_durable=True)
        async with AsyncExitStack() as opening:
            client = await opening.enter_async_context(
                connect(
                    [first, *others],
                    self._stack.token(person),
                    device=_DEVICE,
                    settings=ClientSettings(observer=witness),
                    store=SqliteStore(self._stores / f"{person}.sqlite3"),
                )
            )
            listener = asyncio.create_task(_listen(witness, client), name=f"{person} listens")
            opening.push_async_callback(_end, listener)
            self._open[person] = opening.pop_all()
        self._clients[person] = client

    async def _leave(self, person: str) -> None:
        client = self._clients.pop(person, None)
        opened = self._open.pop(person)
        if client is not None:
            # What was begun is said to its end; nothing more is begun without a client.
            await self._until(lambda: self._speaking[person] == 0, _SEND_SECONDS)
            self.reconnects[person] += max(0, client.statistics().streams - 1)
        await opened.aclose()
        self._witnesses[person].stopped("left")

    def _count(self) -> int:
        return len(self.history.sent)

    async def _until(self, holds: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until it holds; False when the time is up. None: the demo's own deadline."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():  # noqa: ASYNC110 - what others did is looked at, not signalled
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            return False
        return True


def client_of(person: str) -> str:
    """The name of a person's device in the history."""
    return f"{person}/{_DEVICE}"


async def _listen(witness: Witness, client: Client) -> None:
    async for event in client.events():
        witness.given(event)


async def _end(task: asyncio.Task[None]) -> None:
    """End a listener and raise what it raised: a demo must not go on deaf."""
    if not task.done():
        task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.result()
