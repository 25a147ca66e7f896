"""The cursor, what comes late, the outbox and the heartbeats of a device in one SQLite file.

Write-ahead log; one connection, used by one worker thread, so nothing blocks the event loop and
writes keep the order of their calls. A message to send is synced to the disk before it goes out
(synchronous=FULL, one fsync, 0.1 to 10 ms): a process that dies after that sends it again under
the same id. The cursor (with the highest message_ids, in one transaction), answered messages and
heartbeats are written without a sync (NORMAL): they survive a killed process always, and a power
cut up to the last few, which costs nothing but a repeat.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from whimbrel import wire
from whimbrel.api.types.v1 import types_pb2
from whimbrel.client.store import StoredState, check_owner
from whimbrel.core.attributes import PLAIN, Attributes
from whimbrel.core.heartbeat_plan import REMEMBERED_NETWORKS
from whimbrel.core.lateness import REMEMBERED_CONVERSATIONS
from whimbrel.core.nat_probe import Learned
from whimbrel.core.outgoing import BodyKind, Outgoing

T = TypeVar("T")
_Write = tuple[str, Sequence[tuple[object, ...]]]
"""A statement and its rows."""

_VERSION: Final = 3
"""1: without `highest`; 2: without `outgoing.attributes`. A file of them is brought to the present
version when it is opened; an SDK of then refuses what it would leave half written."""
_ATTRIBUTES_VERSION: Final = 3
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS device (
    only INTEGER PRIMARY KEY CHECK (only = 1), user_id TEXT NOT NULL, device_id TEXT NOT NULL,
    cursor INTEGER
);
CREATE TABLE IF NOT EXISTS outgoing (
    number INTEGER PRIMARY KEY AUTOINCREMENT, client_message_id TEXT NOT NULL UNIQUE,
    kind INTEGER NOT NULL, body BLOB NOT NULL, conversation_id TEXT, recipient_id TEXT,
    attributes BLOB
);
CREATE TABLE IF NOT EXISTS network (
    number INTEGER PRIMARY KEY AUTOINCREMENT, network_id TEXT NOT NULL UNIQUE,
    interval_seconds REAL NOT NULL, is_settled INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS highest (
    number INTEGER PRIMARY KEY AUTOINCREMENT, conversation_id TEXT NOT NULL UNIQUE,
    message_id INTEGER NOT NULL
);
"""


class SqliteStore:
    """A ClientStore in the file `path`, which is made when it is not there.

    One client at a time; its directory must exist. The file belongs to the (user, device) of
    its first Welcome for ever. Bodies are in it as they are: whoever reads the file reads them.
    """

    is_durable = True

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._thread: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None
        self._owner: tuple[str, str] | None = None

    async def load(self) -> StoredState:
        """See ClientStore. sqlite3.Error when the file cannot be used, RuntimeError when the
        store is open already."""
        if self._thread is not None:
            raise RuntimeError("this store is in use by a client")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whimbrel-store")
        try:
            state = await self._run(self._open)
        except BaseException:
            await self.close()
            raise
        self._owner = state.owner
        return state

    async def bind(self, user_id: str, device_id: str) -> None:
        """See ClientStore."""
        check_owner(self._owner, user_id, device_id)
        if self._owner is None:
            statement = "INSERT INTO device (only, user_id, device_id) VALUES (1, ?, ?)"
            await self._write((statement, [(user_id, device_id)]), sync=True)
            self._owner = (user_id, device_id)

    async def save_cursor(self, cursor: int | None, highest: Mapping[str, int]) -> None:
        """See ClientStore."""
        writes: list[_Write] = [("UPDATE device SET cursor = ?", [(cursor,)])]
        if cursor is None:
            writes.append(("DELETE FROM highest", [()]))
        if highest:
            writes += [
                (
                    "REPLACE INTO highest (conversation_id, message_id) VALUES (?, ?)",
                    list(highest.items()),
                ),
                (_newest("highest"), [(REMEMBERED_CONVERSATIONS,)]),
            ]
        await self._write(*writes)

    async def add_outgoing(self, message: Outgoing) -> None:
        """See ClientStore."""
        row = (
            message.client_message_id,
            int(message.kind),
            message.body,
            message.conversation_id,
            message.recipient_id,
            _packed(message.attributes),
        )
        statement = (
            "INSERT INTO outgoing"
            " (client_message_id, kind, body, conversation_id, recipient_id, attributes)"
            " VALUES (?, ?, ?, ?, ?, ?)"
        )
        await self._write((statement, [row]), sync=True)

    async def forget_outgoing(self, client_message_ids: Sequence[str]) -> None:
        """See ClientStore."""
        rows = [(identifier,) for identifier in client_message_ids]
        await self._write(("DELETE FROM outgoing WHERE client_message_id = ?", rows))

    async def save_heartbeat(self, network_id: str, learned: Learned | None) -> None:
        """See ClientStore."""
        if learned is None:
            await self._write(("DELETE FROM network WHERE network_id = ?", [(network_id,)]))
            return
        row = (network_id, learned.interval_seconds, int(learned.is_settled))
        await self._write(
            (
                "REPLACE INTO network (network_id, interval_seconds, is_settled) VALUES (?, ?, ?)",
                [row],
            ),
            (_newest("network"), [(REMEMBERED_NETWORKS,)]),
        )

    async def close(self) -> None:
        """See ClientStore."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        database, self._database = self._database, None
        try:
            if database is not None:
                await asyncio.get_running_loop().run_in_executor(thread, database.close)
        finally:
            thread.shutdown(wait=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise RuntimeError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _write(self, *writes: _Write, sync: bool = False) -> None:
        """In one transaction."""

        def work() -> None:
            database = self._opened()
            database.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            with database:
                database.execute("BEGIN IMMEDIATE")
                for statement, rows in writes:
                    database.executemany(statement, rows)

        await self._run(work)

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            raise RuntimeError("the store is closed")
        return self._database

    def _open(self) -> StoredState:
        database = sqlite3.connect(self._path, isolation_level=None)
        self._database = database
        database.execute("PRAGMA journal_mode = WAL")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if not 0 <= version <= _VERSION:
            raise sqlite3.DatabaseError(f"{self._path} has version {version}, not {_VERSION}")
        database.executescript(_SCHEMA)
        if 0 < version < _ATTRIBUTES_VERSION:
            database.execute("ALTER TABLE outgoing ADD COLUMN attributes BLOB")
        database.execute(f"PRAGMA user_version = {_VERSION}")
        device = database.execute("SELECT user_id, device_id, cursor FROM device").fetchone()
        rows = database.execute(
            "SELECT client_message_id, kind, body, conversation_id, recipient_id, attributes"
            " FROM outgoing ORDER BY number"
        ).fetchall()
        outgoing = tuple(
            Outgoing(
                identifier, BodyKind(kind), body, conversation_id, recipient_id, _unpacked(packed)
            )
            for identifier, kind, body, conversation_id, recipient_id, packed in rows
        )
        heartbeats = {
            network_id: Learned(seconds, bool(is_settled))
            for network_id, seconds, is_settled in database.execute(
                "SELECT network_id, interval_seconds, is_settled FROM network ORDER BY number"
            )
        }
        highest = dict(
            database.execute("SELECT conversation_id, message_id FROM highest ORDER BY number")
        )
        if device is None:
            return StoredState(outgoing=outgoing, heartbeats=heartbeats, highest=highest)
        return StoredState((device[0], device[1]), device[2], outgoing, heartbeats, highest)


def _packed(attributes: Attributes) -> bytes | None:
    """As the contract writes them: a resend by the next process is the same message."""
    return wire.attributes_to_wire(attributes).SerializeToString() if attributes else None


def _unpacked(packed: bytes | None) -> Attributes:
    if packed is None:
        return PLAIN
    return wire.attributes_of(types_pb2.Attributes.FromString(packed))


def _newest(table: str) -> str:
    """The statement that keeps so many rows, those written last."""
    # As a bound, not as a list of those to keep: this runs with every ack.
    return (
        f"DELETE FROM {table} WHERE number <="
        f" (SELECT number FROM {table} ORDER BY number DESC LIMIT 1 OFFSET ?)"
    )
