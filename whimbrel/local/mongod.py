"""A real mongod in a replica set, which is what transactions and majority writes need."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from whimbrel.local.binaries import explain_loader, find_mongod
from whimbrel.local.children import Child, spawn
from whimbrel.local.errors import StackError, last_lines, make_folder, tail
from whimbrel.local.ports import Ports
from whimbrel.local.replica_set import REPLICA_SET, is_member, replica_set_url

READY_SECONDS = 60.0
GRACE_SECONDS = 20.0
_POLL_SECONDS = 0.05
_LOG_ID_STARTING = 4615611


@dataclass(frozen=True)
class Mongod:
    """A server that is primary. `url` names the replica set; `log` is its log file."""

    url: str
    pids: tuple[int, ...]
    port: int
    log: Path


@asynccontextmanager
async def running_mongod(folder: Path, *, port: int = 0) -> AsyncIterator[Mongod]:
    """Run a mongod with its data in `folder`/db, which may be there from an earlier run.

    `port` 0 chooses a free one; the port may differ from that of the earlier run.
    Raises StackError when the port is taken, or the server does not start.
    """
    ports = Ports()
    try:
        port = ports.take_exactly(port, "mongod") if port else ports.take()
        make_folder(folder / "db")
        log = folder / "mongod.log"
        binary = find_mongod()
        child = await spawn("mongod", mongod_command(binary, folder / "db", port), log=log)
        try:
            await _wait_for_primary(child, binary, port)
            yield Mongod(replica_set_url([f"127.0.0.1:{port}"]), (child.pid,), port, log)
        finally:
            await child.stop(GRACE_SECONDS)
    finally:
        ports.close()


async def _wait_for_primary(child: Child, binary: Path, port: int) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await is_member(0, [f"127.0.0.1:{port}"]):
                if child.returncode is not None:
                    raise StackError(explain_mongod(binary, child.log))
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise StackError(
            f"mongod is not primary after {READY_SECONDS:.0f} s; its log says:\n{tail(child.log)}"
        ) from None


def mongod_command(binary: Path, data: Path, port: int, *, members: int = 1) -> list[str]:
    """The command line of one of `members`: loopback only, and a laptop's share of memory and
    disk, which they divide."""
    # All members end together: there is no use in waiting 15 s for one to take over.
    leaving = ["--setParameter=shutdownTimeoutMillisForSignaledShutdown=500"] if members > 1 else []
    return [
        str(binary),
        f"--dbpath={data}",
        f"--port={port}",
        "--bind_ip=127.0.0.1",
        "--nounixsocket",
        f"--replSet={REPLICA_SET}",
        # The defaults are half of the memory, and a twentieth of the disk for the oplog.
        f"--wiredTigerCacheSizeGB={max(0.25, 0.5 / members)}",  # 0.25 is the least it takes
        "--oplogSize=256",
        "--setParameter=diagnosticDataCollectionEnabled=false",
        *leaving,
    ]


def explain_mongod(binary: Path, log: Path) -> str:
    """Why it ended: the loader's message or mongod's own last error, else the end of its log."""
    loader = explain_loader(binary, tail(log))
    if loader is not None:
        return loader
    for line in reversed(last_lines(log, 200)):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("id") == _LOG_ID_STARTING:
            break  # what is before it belongs to an earlier run
        if entry.get("s") in ("E", "F"):
            reason = entry.get("attr", {}).get("error", "")
            return f"mongod ended at once: {entry.get('msg')} {reason} (its log: {log})"
    return f"mongod ended at once; its log says:\n{tail(log)}"
