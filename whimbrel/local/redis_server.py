"""A real redis-server that keeps nothing: what is in it can be rebuilt (promise 8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from whimbrel.local.binaries import explain_loader, find_redis_server
from whimbrel.local.children import Child, spawn
from whimbrel.local.errors import StackError, make_folder, tail
from whimbrel.local.ports import Ports

READY_SECONDS = 20.0
GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class RedisServer:
    """A server that answers. `log` is its log file."""

    url: str
    pid: int
    port: int
    log: Path


@asynccontextmanager
async def running_redis(folder: Path, *, port: int = 0) -> AsyncIterator[RedisServer]:
    """Run a redis-server on the loopback address; `port` 0 chooses a free one.

    Raises StackError when the port is taken, or the server does not start.
    """
    ports = Ports()
    try:
        port = ports.take_exactly(port, "redis-server") if port else ports.take()
        make_folder(folder)
        log = folder / "redis.log"
        binary = find_redis_server()
        child = await spawn("redis-server", redis_command(binary, folder, port), log=log)
        try:
            await _wait_for_answer(child, binary, port)
            yield RedisServer(redis_url(port), child.pid, port, log)
        finally:
            await child.stop(GRACE_SECONDS)
    finally:
        ports.close()


async def _wait_for_answer(child: Child, binary: Path, port: int) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await redis_answers(port):
                if child.returncode is not None:
                    raise StackError(explain_redis(binary, child.log))
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise StackError(
            f"redis-server does not answer after {READY_SECONDS:.0f} s; its log says:\n"
            f"{tail(child.log)}"
        ) from None


def redis_url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


def redis_command(binary: Path, folder: Path, port: int) -> list[str]:
    """The command line: loopback only, no snapshots, no log of commands."""
    settings = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "tcp-backlog": "128",
    }
    return [
        str(binary),
        *(word for name, value in settings.items() for word in (f"--{name}", value)),
    ]


async def redis_answers(port: int) -> bool:
    """Whether a redis-server answers PING there now. Needs no driver."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"PING\r\n")
                return (await reader.readline()).startswith(b"+PONG")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def explain_redis(binary: Path, log: Path) -> str:
    """Why it ended: the loader's message as a sentence, else the end of its log."""
    last = tail(log)
    return explain_loader(binary, last) or f"redis-server ended at once; its log says:\n{last}"
