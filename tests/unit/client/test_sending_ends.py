"""What `send` says when its end coincides with something else: never "it is not stored" of a
message that is (both were found by `whimbrel soak`)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from whimbrel.client.dialogue import Dialogue, Outcome
from whimbrel.client.events import ConnectionClosed, Receipt
from whimbrel.client.sending import Sending
from whimbrel.client.settings import ClientSettings
from whimbrel.client.store import ClientStore, MemoryStore
from whimbrel.client.store_sqlite import SqliteStore
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
    while not sending._futures:
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
