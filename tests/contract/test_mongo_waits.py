"""How a wait for MongoDB ends: by its answer, its deadline, its caller, or a server given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pymongo
import pytest
from pymongo.asynchronous import pool
from pymongo.errors import AutoReconnect, NetworkTimeout

from tests.waiting import until
from whimbrel.runtime import mongo_waits
from whimbrel.runtime.settings import MongoSettings
from whimbrel.runtime.stores import Database, open_mongo


@dataclass
class Muzzle:
    """A network to MongoDB whose answers can be held back."""

    url: str = ""
    is_silent: bool = False
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    kept: int = 0
    """Bytes of answers that were held back."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection(*self.target)
        self.writers += [writer, before]
        async with asyncio.TaskGroup() as ways:
            ways.create_task(self._carry(reader, before, answers=False))
            ways.create_task(self._carry(behind, writer, answers=True))

    target: tuple[str, int] = ("", 0)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        try:
            while piece := await reader.read(65536):
                if answers and self.is_silent:
                    self.kept += len(piece)
                    continue
                writer.write(piece)
        except ConnectionError:
            pass
        writer.close()


@asynccontextmanager
async def muzzled(mongo_url: str) -> AsyncIterator[Muzzle]:
    address = urlsplit(mongo_url)
    muzzle = Muzzle(target=(address.hostname or "", address.port or 0))
    server = await asyncio.start_server(muzzle.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # Directly: the replica set's own list of members leads past this network.
    muzzle.url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    async with server:
        yield muzzle
        for writer in muzzle.writers:
            writer.close()


@pytest.fixture
async def world(mongo_url: str) -> AsyncIterator[tuple[Database, Muzzle]]:
    async with muzzled(mongo_url) as muzzle:
        settings = MongoSettings(url=muzzle.url, timeout_seconds=20.0, database="test_waits")
        async with open_mongo(settings) as database:
            await database.command("ping")
            yield database, muzzle


def test_the_pinned_version_is_one_that_was_compared() -> None:
    assert pymongo.version in mongo_waits.COMPARED_VERSIONS
    assert mongo_waits.shorten_waits()


def test_another_version_keeps_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    own = object()
    monkeypatch.setattr(pool, "async_receive_message", own)
    monkeypatch.setattr(pymongo, "version", "4.99.0")
    assert not mongo_waits.shorten_waits()
    assert vars(pool)["async_receive_message"] is own


async def test_a_command_starts_no_task(world: tuple[Database, Muzzle]) -> None:
    database, _ = world
    loop = asyncio.get_running_loop()
    started: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **rest: Any) -> asyncio.Task[Any]:
        started.append(work.__qualname__)
        return asyncio.Task(work, loop=loop, **rest)

    loop.set_task_factory(factory)
    try:
        assert (await database.command("ping"))["ok"] == 1
    finally:
        loop.set_task_factory(None)
    # What the driver does beside it (its monitor) is not ours.
    assert not [name for name in started if "read" in name or "write" in name or "poll" in name]


async def test_a_silent_server_costs_the_deadline_and_the_connection_alone(
    world: tuple[Database, Muzzle],
) -> None:
    database, muzzle = world
    muzzle.is_silent = True
    with pytest.raises(NetworkTimeout), pymongo.timeout(0.2):
        await database.command("ping")
    muzzle.is_silent = False
    assert (await database.command("ping"))["ok"] == 1


async def test_a_caller_that_goes_leaves_no_answer_for_the_next(
    world: tuple[Database, Muzzle],
) -> None:
    database, muzzle = world
    things = database["things"]
    await things.replace_one({"_id": 1}, {"said": "old"}, upsert=True)
    muzzle.is_silent = True
    asking = asyncio.create_task(things.find_one({"_id": 1}))
    await until(lambda: muzzle.kept > 0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    muzzle.is_silent = False
    assert (await database.command("count", "things"))["n"] == 1
    assert await things.find_one({"_id": 1}) == {"_id": 1, "said": "old"}


async def test_a_connection_that_is_given_up_ends_its_wait_within_a_second(
    world: tuple[Database, Muzzle],
) -> None:
    """So it is when the driver's monitor finds the server gone, long before the deadline."""
    database, muzzle = world
    muzzle.is_silent = True
    loop = asyncio.get_running_loop()
    asking = asyncio.create_task(database.command("ping"))
    await until(lambda: muzzle.kept > 0)
    (server,) = database.client._topology._servers.values()
    began = loop.time()
    for context in list(server.pool.active_contexts):
        context.cancel()
    muzzle.is_silent = False
    with pytest.raises(AutoReconnect):
        await asking
    assert loop.time() - began < 2.0
