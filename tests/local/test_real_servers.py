"""The embedded mongod and redis-server: they start, keep their data, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from whimbrel.local.children import Identity, wait_until_gone
from whimbrel.local.errors import StackError
from whimbrel.local.mongod import running_mongod
from whimbrel.local.redis_server import running_redis

PARENT = """
import asyncio, sys
from pathlib import Path
from whimbrel.local.mongod import running_mongod
from whimbrel.local.redis_server import running_redis

async def main():
    folder = Path(sys.argv[1])
    async with running_mongod(folder / "mongo") as mongod, running_redis(folder / "redis") as redis:
        print(*mongod.pids, redis.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_mongod_is_primary_and_its_data_survive_a_restart_on_another_port(
    tmp_path: Path,
) -> None:
    ports = set()
    for run in range(2):
        async with running_mongod(tmp_path) as mongod:
            ports.add(mongod.port)
            client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongod.url)
            async with client:
                assert await client.test.runs.count_documents({}) == run
                await client.test.runs.with_options().insert_one({"_id": run})
                # A transaction needs a replica set, which one mongod has to be.
                async with client.start_session() as session, await session.start_transaction():
                    await client.test.other.insert_one({"_id": run}, session=session)
            identity = Identity.of(mongod.pids[0])
            assert identity.is_alive
        assert not identity.is_alive
    assert len(ports) == 2, "the second run moved the set to another port"


async def test_redis_keeps_nothing_and_leaves_no_process(tmp_path: Path) -> None:
    for _ in range(2):
        async with running_redis(tmp_path) as server:
            identity = Identity.of(server.pid)
            redis = Redis.from_url(server.url)
            assert await redis.get("key") is None
            await redis.set("key", "value")
            await redis.aclose()
        assert not identity.is_alive
    assert os.listdir(tmp_path) == ["redis.log"]


async def test_a_taken_port_is_refused_with_a_sentence_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} for mongod is in use.*another port"):
            async with running_mongod(tmp_path, port=port):
                pass
        with pytest.raises(StackError, match=rf"port {port} for redis.*pid {os.getpid()}"):
            async with running_redis(tmp_path, port=port):
                pass


async def test_an_error_in_the_block_ends_the_server_too(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="ours"):  # noqa: PT012 - the block is the subject
        async with running_redis(tmp_path) as server:
            identity = Identity.of(server.pid)
            raise TimeoutError("ours")
    assert not identity.is_alive


async def test_mongod_that_cannot_open_its_data_says_why(tmp_path: Path) -> None:
    async with running_mongod(tmp_path):
        with pytest.raises(StackError, match=r"mongod ended at once: .*DBPathInUse.*mongod\.log"):
            async with running_mongod(tmp_path):
                pass


async def test_children_die_when_their_parent_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    children = [Identity.of(pid) for pid in pids]
    assert len(children) == 2
    assert all(child.is_alive for child in children)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    assert await wait_until_gone(children, timeout_seconds=10)
