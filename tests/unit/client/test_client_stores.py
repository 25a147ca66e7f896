"""One suite for what every ClientStore promises, run on memory and on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whimbrel.client.store import ClientStore, MemoryStore, StoredState
from whimbrel.client.store_sqlite import SqliteStore
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.heartbeat_plan import REMEMBERED_NETWORKS
from whimbrel.core.nat_probe import Learned
from whimbrel.core.outgoing import BodyKind, Outgoing

HELLO = Outgoing("one", BodyKind.TEXT, b"hello", "g:1")
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
    await store.save_cursor(7)
    await store.add_outgoing(HELLO)
    await store.add_outgoing(SECRET)
    assert await reopened(store) == StoredState(("alice", "phone"), 7, (HELLO, SECRET))
    await store.forget_outgoing(["one", "unheard of"])
    await store.save_cursor(None)
    assert await reopened(store) == StoredState(("alice", "phone"), None, (SECRET,))


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
        await store.save_cursor(1)
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


async def test_what_is_added_is_on_disk_when_add_returns(tmp_path: Path) -> None:
    path = tmp_path / "device.sqlite3"
    store = SqliteStore(path)
    await store.load()
    await store.add_outgoing(HELLO)
    other = sqlite3.connect(path)
    assert other.execute("SELECT client_message_id FROM outgoing").fetchall() == [("one",)]
    other.close()
    await store.close()
