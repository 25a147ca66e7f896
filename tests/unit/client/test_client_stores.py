"""One suite for what every ClientStore promises, run on memory and on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whimbrel.client.store import ClientStore, MemoryStore, StoredState
from whimbrel.client.store_sqlite import SqliteStore
from whimbrel.core.attributes import Attributes, ForwardedFrom
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.heartbeat_plan import REMEMBERED_NETWORKS
from whimbrel.core.lateness import REMEMBERED_CONVERSATIONS
from whimbrel.core.nat_probe import Learned
from whimbrel.core.outgoing import BodyKind, Outgoing

HELLO = Outgoing("one", BodyKind.TEXT, b"hello", "g:1")
REPLY = Outgoing(
    "three",
    BodyKind.TEXT,
    b"yes",
    "g:1",
    attributes=Attributes(5, ForwardedFrom(2**63 - 1, "g:2", "bob"), ("bob", "carol"), True),
)
SECRET = Outgoing("two", BodyKind.ENCRYPTED, b"\x00\xff", recipient_id="bob")


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ClientStore]:
    one: ClientStore = (
        MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "device.sqlite3")
    )
    yield one
    await one.close()


async def reopened(store: ClientStore) -> StoredState:
    await store.close()
    return await store.load()


async def test_a_new_store_knows_nothing(store: ClientStore) -> None:
    assert await store.load() == StoredState()


async def test_everything_is_there_after_closing(store: ClientStore) -> None:
    await store.load()
    await store.bind("alice", "phone")
    await store.save_cursor(7, {})
    await store.add_outgoing(HELLO)
    await store.add_outgoing(SECRET)
    await store.add_outgoing(REPLY)
    assert await reopened(store) == StoredState(("alice", "phone"), 7, (HELLO, SECRET, REPLY))
    await store.forget_outgoing(["one", "three", "unheard of"])
    await store.save_cursor(None, {})
    assert await reopened(store) == StoredState(("alice", "phone"), None, (SECRET,))


async def test_what_comes_late_is_known_after_a_restart(store: ClientStore) -> None:
    await store.load()
    await store.bind("alice", "phone")
    await store.save_cursor(7, {"g:1": 10, "g:2": 2**62})
    await store.save_cursor(9, {"g:1": 12})
    state = await reopened(store)
    assert (state.cursor, dict(state.highest)) == (9, {"g:1": 12, "g:2": 2**62})
    assert list(state.highest) == ["g:2", "g:1"], "the one seen last at the end"
    await store.save_cursor(None, {})
    assert (await reopened(store)).highest == {}, "it is forgotten with the cursor"


async def test_the_conversations_seen_last_are_remembered(store: ClientStore) -> None:
    await store.load()
    await store.bind("alice", "phone")
    many = {f"g:{number}": number for number in range(REMEMBERED_CONVERSATIONS)}
    await store.save_cursor(1, many)
    await store.save_cursor(2, {"g:0": 2**40})
    await store.save_cursor(3, {"g:new": 1, "g:newer": 2})
    known = (await reopened(store)).highest
    assert len(known) == REMEMBERED_CONVERSATIONS
    assert list(known)[-3:] == ["g:0", "g:new", "g:newer"]
    assert known["g:0"] == 2**40
    assert not {"g:1", "g:2"} & set(known)
    assert "g:3" in known


async def test_heartbeats_are_kept_for_the_networks_learned_of_last(store: ClientStore) -> None:
    await store.load()
    for number in range(REMEMBERED_NETWORKS + 2):
        await store.save_heartbeat(f"n{number}", Learned(60.0 + number, is_settled=number % 2 == 0))
    await store.save_heartbeat("n2", Learned(200.5, is_settled=True))
    await store.save_heartbeat("n3", None)
    known = dict((await reopened(store)).heartbeats)
    assert len(known) == REMEMBERED_NETWORKS - 1
    assert list(known)[-1] == "n2"
    assert known["n2"] == Learned(200.5, is_settled=True)
    assert known["n5"] == Learned(65.0, is_settled=False)
    assert not {"n0", "n1", "n3"} & set(known)


async def test_a_store_has_one_owner_for_ever(store: ClientStore) -> None:
    await store.load()
    await store.bind("alice", "phone")
    await store.bind("alice", "phone")
    await reopened(store)
    for other in (("bob", "phone"), ("alice", "desk")):
        with pytest.raises(WhimbrelError) as refusal:
            await store.bind(*other)
        assert refusal.value.code is ErrorCode.PERMISSION_DENIED


async def test_a_sqlite_store_serves_one_client_at_a_time(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "device.sqlite3")
    await store.load()
    with pytest.raises(RuntimeError):
        await store.load()
    await store.close()
    with pytest.raises(RuntimeError):
        await store.save_cursor(1, {})
    await store.close()


async def test_a_file_that_cannot_be_used_says_so_and_is_left(tmp_path: Path) -> None:
    path = tmp_path / "newer.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    store = SqliteStore(path)
    with pytest.raises(sqlite3.DatabaseError):
        await store.load()
    with pytest.raises(sqlite3.OperationalError):
        await SqliteStore(tmp_path / "no" / "such" / "folder").load()


async def test_a_file_of_the_first_version_is_opened_and_brought_to_the_present(
    tmp_path: Path,
) -> None:
    path = tmp_path / "device.sqlite3"
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE device (
                only INTEGER PRIMARY KEY CHECK (only = 1), user_id TEXT NOT NULL,
                device_id TEXT NOT NULL, cursor INTEGER
            );
            CREATE TABLE outgoing (
                number INTEGER PRIMARY KEY AUTOINCREMENT, client_message_id TEXT NOT NULL UNIQUE,
                kind INTEGER NOT NULL, body BLOB NOT NULL, conversation_id TEXT, recipient_id TEXT
            );
            CREATE TABLE network (
                number INTEGER PRIMARY KEY AUTOINCREMENT, network_id TEXT NOT NULL UNIQUE,
                interval_seconds REAL NOT NULL, is_settled INTEGER NOT NULL
            );
            INSERT INTO device VALUES (1, 'alice', 'phone', 7);
            INSERT INTO outgoing VALUES (5, 'one', 1, x'68656c6c6f', 'g:1', NULL);
            INSERT INTO network VALUES (3, 'wifi', 90.0, 1);
            PRAGMA user_version = 1;
            """
        )
    database.close()
    store = SqliteStore(path)
    before = StoredState(("alice", "phone"), 7, (HELLO,), {"wifi": Learned(90.0, is_settled=True)})
    assert await store.load() == before
    await store.save_cursor(8, {"g:1": 3})
    after = await reopened(store)
    assert (after.cursor, after.outgoing, after.highest) == (8, (HELLO,), {"g:1": 3})
    await store.close()


async def test_the_cursor_and_what_comes_late_are_stored_together_or_not_at_all(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "device.sqlite3")
    await store.load()
    await store.bind("alice", "phone")
    await store.save_cursor(7, {"g:1": 10})
    with pytest.raises(OverflowError):
        await store.save_cursor(9, {"g:1": 12, "g:2": 2**64})
    state = await reopened(store)
    assert (state.cursor, state.highest) == (7, {"g:1": 10})
    await store.close()


async def test_what_is_added_is_on_disk_when_add_returns(tmp_path: Path) -> None:
    path = tmp_path / "device.sqlite3"
    store = SqliteStore(path)
    await store.load()
    await store.add_outgoing(HELLO)
    other = sqlite3.connect(path)
    assert other.execute("SELECT client_message_id FROM outgoing").fetchall() == [("one",)]
    other.close()
    await store.close()
