"""Real servers for the tests that ask for them: one redis-server and one mongod per test run.

The servers live on: Redis is emptied for each test that asks for it, and of MongoDB a test takes a
database of its own (`tests.stores`). So no test knows which one came before it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

# No test is about how fast this machine is just now.
settings.register_profile("whimbrel", deadline=None)
settings.load_profile("whimbrel")


class _Server(Protocol):
    @property
    def url(self) -> str: ...


@pytest.fixture(scope="session")
def redis_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a redis-server that is shared by the whole run."""
    from whimbrel.local.redis_server import running_redis

    with _held(running_redis, tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """The same, empty now, of scripts too."""
    from redis import Redis

    with Redis.from_url(redis_server_url) as client:
        client.flushall()
        client.script_flush()
    return redis_server_url


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a mongod, a replica set of one, that is shared by the whole run."""
    from whimbrel.local.mongod import running_mongod

    with _held(running_mongod, tmp_path_factory.mktemp("mongo")) as url:
        yield url


@contextmanager
def _held(
    running: Callable[[Path], AbstractAsyncContextManager[_Server]], folder: Path
) -> Iterator[str]:
    """Hold a server open from a thread with its own loop: the tests' loops end with each test."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    started = threading.Event()
    urls: list[str] = []

    async def hold() -> None:
        async with running(folder) as server:
            urls.append(server.url)
            started.set()
            await stop.wait()

    task = loop.create_task(hold())

    def run() -> None:
        try:
            loop.run_until_complete(asyncio.wait((task,)))
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=run, name=f"holds-{folder.name}")
    thread.start()
    started.wait()
    try:
        if not urls:
            thread.join()
            task.result()  # raises why it did not start
        yield urls[0]
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
            thread.join()
