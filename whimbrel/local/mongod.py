"""A real mongod as a replica set of one, which is what transactions and majority writes need."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from whimbrel.local.binaries import explain_loader, find_mongod
from whimbrel.local.children import Child, spawn
from whimbrel.local.errors import StackError, last_lines, make_folder, tail
from whimbrel.local.ports import Ports

REPLICA_SET = "whimbrel"
READY_SECONDS = 60.0
GRACE_SECONDS = 20.0
_POLL_SECONDS = 0.05
_NOT_YET_INITIALIZED = 94
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
            yield Mongod(mongo_url(port), (child.pid,), port, log)
        finally:
            await child.stop(GRACE_SECONDS)
    finally:
        ports.close()


async def _wait_for_primary(child: Child, binary: Path, port: int) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await become_primary(port):
                if child.returncode is not None:
                    raise StackError(explain_mongod(binary, child.log))
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise StackError(
            f"mongod is not primary after {READY_SECONDS:.0f} s; its log says:\n{tail(child.log)}"
        ) from None


def mongo_url(port: int) -> str:
    return f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}"


def mongod_command(binary: Path, data: Path, port: int) -> list[str]:
    """The command line: loopback only, and a laptop's share of memory and disk."""
    return [
        str(binary),
        f"--dbpath={data}",
        f"--port={port}",
        "--bind_ip=127.0.0.1",
        "--nounixsocket",
        f"--replSet={REPLICA_SET}",
        # The defaults are half of the memory, and a twentieth of the disk for the oplog.
        "--wiredTigerCacheSizeGB=0.5",
        "--oplogSize=256",
        "--setParameter=diagnosticDataCollectionEnabled=false",
    ]


async def become_primary(port: int) -> bool:
    """Make the mongod on this port the only, primary member of its set; whether it is so now.

    To be called again until it is. A set that was initiated on another port (the data of an
    earlier run) is moved to this one; with force, because it has no primary to ask.
    """
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=500, timeoutMS=5000
    )
    member = {"_id": 0, "host": f"127.0.0.1:{port}"}
    try:
        hello = await client.admin.command("hello")
        if hello.get("isWritablePrimary"):
            return bool(hello.get("me") == member["host"])
        try:
            config = (await client.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as failure:
            if failure.code == _NOT_YET_INITIALIZED:
                await client.admin.command(
                    "replSetInitiate", {"_id": REPLICA_SET, "members": [member]}
                )
            return False
        if [one["host"] for one in config["members"]] != [member["host"]]:
            moved = {**config, "version": config["version"] + 1, "members": [member]}
            await client.admin.command("replSetReconfig", moved, force=True)
    except PyMongoError:
        return False
    else:
        return False
    finally:
        await client.close()


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
