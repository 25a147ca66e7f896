"""A client killed in mid-send sends again after its restart, and everybody sees one message.

The client is a process of its own with a SqliteStore; it is killed by SIGKILL.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient

from tests.waiting import until
from whimbrel.client import Client, connect
from whimbrel.local.stack import Stack, StackSpec

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]

ROOT = Path(__file__).resolve().parents[2]
Process = asyncio.subprocess.Process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    """One stack for all, so each test has a sender of its own."""
    async with Stack.start(StackSpec(gateway=0, push=0, drain=0)) as started:
        yield started


@asynccontextmanager
async def mortal(stack: Stack, user: str, store: Path, *what: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.e2e.mortal_client",
        stack.endpoints[0],
        stack.token(user),
        str(store),
        *what,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line_of(process: Process) -> str:
    """Its next line; empty at its end."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return (await process.stdout.readline()).decode().strip()


async def lines_until(process: Process, word: str) -> list[str]:
    lines: list[str] = []
    while not lines or not lines[-1].startswith(word):
        lines.append(await line_of(process))
        assert lines[-1], f"the program ended before it said {word!r}: {lines}"
    return lines


async def go(process: Process) -> None:
    """Let it begin to send."""
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    await process.stdin.drain()


def outbox_of(store: Path) -> list[str]:
    """The ids that the dead client has left on disk."""
    database = sqlite3.connect(store)
    try:
        rows = database.execute("SELECT client_message_id FROM outgoing ORDER BY number")
        return [identifier for (identifier,) in rows]
    finally:
        database.close()


class Recipient:
    """Bob, who notes every message that he sees."""

    def __init__(self, im: Client) -> None:
        self.seen: Counter[str] = Counter()
        self.message_ids: dict[str, int] = {}
        self._im = im

    async def listen(self) -> None:
        async for event in self._im.events():
            self.seen[event.client_message_id] += 1
            self.message_ids[event.client_message_id] = event.message_id

    async def until_seen(self, identifiers: set[str]) -> None:
        await until(lambda: identifiers <= set(self.seen))


@asynccontextmanager
async def bob_on(stack: Stack) -> AsyncIterator[Recipient]:
    async with connect(stack.endpoints[0], stack.token("bob"), device="desk") as im:
        bob = Recipient(im)
        listening = asyncio.create_task(bob.listen())
        try:
            yield bob
        finally:
            listening.cancel()


async def stored(stack: Stack, user: str) -> Counter[str]:
    """How often each client_message_id of this user is in the database."""
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(stack.mongo_url)
    try:
        found = client.whimbrel.messages.find({"sender": user}, {"client_message_id": 1})
        return Counter([str(document["client_message_id"]) async for document in found])
    finally:
        await client.close()


async def finished(stack: Stack, user: str, store: Path) -> dict[str, int]:
    """Start the client again on its store; the receipts of what it sent once more."""
    async with mortal(stack, user, store, "finish") as process:
        lines = await lines_until(process, "finished")
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    words = [line.split() for line in lines if line.startswith("receipt")]
    return {identifier: int(message_id) for _, identifier, message_id in words}


async def test_a_client_killed_before_its_answer_sends_again_and_one_message_is_seen(
    stack: Stack,
    tmp_path: Path,
) -> None:
    """Logic stands still while the client is killed, so the message is stored after its death:
    the id on its disk is all that knows of it."""
    store = tmp_path / "phone.sqlite3"
    async with bob_on(stack) as bob:
        async with mortal(stack, "alice", store, "send", "words", "1", "1") as process:
            await lines_until(process, "attached")
            os.kill(stack.pid("logic-0"), signal.SIGSTOP)
            try:
                await go(process)
                await lines_until(process, "under way")
                process.kill()
                await process.wait()
            finally:
                os.kill(stack.pid("logic-0"), signal.SIGCONT)
        assert outbox_of(store) == ["words-0"]
        await bob.until_seen({"words-0"})
        receipts = await finished(stack, "alice", store)
        assert receipts == {"words-0": bob.message_ids["words-0"]}, "the answer to the first one"
        assert outbox_of(store) == []
        async with mortal(stack, "alice", store, "send", "after", "1", "1") as process:
            await lines_until(process, "attached")
            await go(process)
            await lines_until(process, "receipt")
        await bob.until_seen({"after-0"})
        assert bob.seen == {"words-0": 1, "after-0": 1}
        assert await stored(stack, "alice") == {"words-0": 1, "after-0": 1}


async def test_a_client_killed_at_any_moment_of_a_flood_loses_and_doubles_nothing(
    stack: Stack,
    tmp_path: Path,
) -> None:
    random = Random(3)
    store = tmp_path / "phone.sqlite3"
    accepted: set[str] = set()
    left_over: set[str] = set()
    async with bob_on(stack) as bob:
        for life in range(4):
            async with mortal(
                stack, "carol", store, "send", f"life{life}", "10000", "20"
            ) as process:
                await lines_until(process, "attached")
                await go(process)
                lines = await lines_until(process, "receipt")
                for _ in range(random.randrange(20, 300)):
                    lines.append(await line_of(process))
                process.kill()
                await process.wait()
            accepted |= {line.split()[1] for line in lines if line.startswith("receipt")}
            left = set(outbox_of(store))
            assert left, "it was killed in mid-send"
            left_over |= left
            receipts = await finished(stack, "carol", store)
            assert set(receipts) == left
            assert outbox_of(store) == []
        await bob.until_seen(accepted | left_over)
        assert set(bob.seen.values()) == {1}, "nothing is seen twice"
        in_database = await stored(stack, "carol")
        assert set(in_database.values()) == {1}, "nothing is stored twice"
        assert accepted | left_over <= set(in_database)
