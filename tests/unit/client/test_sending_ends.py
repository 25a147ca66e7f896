"""What `send` says when its end coincides with something else: never "it is not stored" of a
message that is (both were found by `whimbrel soak`)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from whimbrel.client.correspondence import Outcome
from whimbrel.client.dialogue import Dialogue
from whimbrel.client.events import ConnectionClosed, Receipt
from whimbrel.client.sending import Sending
from whimbrel.client.settings import ClientSettings
from whimbrel.client.store import ClientStore, MemoryStore
from whimbrel.client.store_sqlite import SqliteStore
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.outgoing import BodyKind, Outgoing

MESSAGE = Outgoing("m1", BodyKind.TEXT, b"hi", None, "bob")
RECEIPT = Receipt("m1", 101, 1, "d:alice:bob")


def sending_of(store: ClientStore) -> tuple[Dialogue, Sending]:
    dialogue = Dialogue(
        device_id="phone", instance_id="i", client="test", settings=ClientSettings()
    )
    return dialogue, Sending(dialogue, store, lambda: None)


async def test_an_answer_in_the_turn_in_which_the_time_ends_is_the_answer() -> None:
    dialogue, sending = sending_of(MemoryStore())
    task = asyncio.create_task(sending.send(MESSAGE, timeout_seconds=0.01))
    while not sending._waiting:
        await asyncio.sleep(0)
    over = asyncio.get_running_loop().time() + 0.01
    while asyncio.get_running_loop().time() <= over:
        pass  # the loop is busy until the time of the send is over
    dialogue.outbox.accepted("m1")
    sending.answered(Outcome("m1", RECEIPT))
    assert await task == RECEIPT


class ClosingStore(SqliteStore):
    """Its client leaves while a message is on its way to the disk."""

    sending: Sending

    async def add_outgoing(self, message: Outgoing) -> None:
        self.sending.close(ConnectionClosed(None, "the client has left"))
        await self.close()
        await super().add_outgoing(message)


async def test_leaving_while_a_message_is_being_kept_is_a_closed_connection(
    tmp_path: Path,
) -> None:
    store = ClosingStore(tmp_path / "store.sqlite3")
    await store.load()
    _, store.sending = sending_of(store)
    with pytest.raises(ConnectionClosed, match="has left"):
        await store.sending.send(MESSAGE, timeout_seconds=5)


async def test_who_gives_up_takes_the_answer_from_nobody_else() -> None:
    dialogue, sending = sending_of(MemoryStore())
    patient = asyncio.create_task(sending.send(MESSAGE, timeout_seconds=5))
    while not sending._waiting:
        await asyncio.sleep(0)
    with pytest.raises(WhimbrelError, match="DEADLINE_EXCEEDED"):
        await sending.receipt("m1", timeout_seconds=0.001)
    hurried = asyncio.create_task(sending.receipt("m1", timeout_seconds=5))
    while len(sending._waiting["m1"]) < 2:
        await asyncio.sleep(0)
    hurried.cancel()
    await asyncio.wait((hurried,))
    other = asyncio.create_task(sending.receipt("m1", timeout_seconds=5))
    while len(sending._waiting["m1"]) < 2:
        await asyncio.sleep(0)
    dialogue.outbox.accepted("m1")
    sending.answered(Outcome("m1", RECEIPT))
    assert [await patient, await other] == [RECEIPT, RECEIPT]
    assert not sending._waiting


class StuckStore(SqliteStore):
    """Its disk does not answer."""

    async def add_outgoing(self, message: Outgoing) -> None:
        await asyncio.Event().wait()


async def test_a_message_that_a_durable_store_does_not_keep_in_time_is_not_sent(
    tmp_path: Path,
) -> None:
    store = StuckStore(tmp_path / "store.sqlite3")
    await store.load()
    dialogue, sending = sending_of(store)
    with pytest.raises(WhimbrelError, match="DEADLINE_EXCEEDED") as refused:
        await sending.send(MESSAGE, timeout_seconds=0.01)
    assert not refused.value.outcome_unknown
    assert not dialogue.outbox.holds("m1")
    await store.close()


class SlowStore(MemoryStore):
    """Somebody's own, elsewhere; it does not answer."""

    async def add_outgoing(self, message: Outgoing) -> None:
        await asyncio.Event().wait()


async def test_a_store_that_is_not_durable_has_no_longer_than_the_send() -> None:
    dialogue, sending = sending_of(SlowStore())
    async with asyncio.timeout(30):
        with pytest.raises(WhimbrelError, match="DEADLINE_EXCEEDED") as refused:
            await sending.send(MESSAGE, timeout_seconds=0.01)
    assert not refused.value.outcome_unknown
    assert not dialogue.outbox.holds("m1")
