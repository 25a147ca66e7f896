"""In every MessageStore the newest edit stays, a recall is for good, strangers change nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.logic.domain.model import Change, StoredMessage
from services.logic.ports import MessageStore
from tests.contract.message_stores import message, messages
from whimbrel.core.attributes import Attributes

__all__ = ["messages"]


def edit(number: int, target: StoredMessage, body: bytes) -> StoredMessage:
    return replace(message(number, body=body), attributes=Attributes(edits=target.message_id))


def change(by: StoredMessage, target: StoredMessage, *, is_recall: bool = False) -> Change:
    return Change(target.message_id, "alice", by.message_id, is_recall, by.body_kind, by.body)


async def shown(store: MessageStore, *batch: StoredMessage) -> list[tuple[bytes, int, int]]:
    found = await store.find({one.message_id: one.key.sender for one in batch})
    rows = [found[one.message_id] for one in batch]
    return [(row.body, row.edited_by, row.recalled_by) for row in rows]


async def test_the_newest_edit_stays_in_whatever_order_they_come(messages: MessageStore) -> None:
    target = message(1)
    older, newer = edit(2, target, b"older"), edit(3, target, b"newer")
    await messages.insert([target, older, newer])
    await messages.change([change(newer, target)])
    await messages.change([change(older, target)])
    await messages.change([change(newer, target)])
    assert await shown(messages, target) == [(b"newer", newer.message_id, 0)]
    (row,) = (await messages.find_by_client_keys([target.key])).values()
    assert row.digest == target.digest, "a resend of the first words is still known"


@pytest.mark.parametrize("recall_first", [True, False])
async def test_a_recall_empties_the_message_and_its_edits_for_good(
    messages: MessageStore, recall_first: bool
) -> None:
    target, other = message(1), message(9)
    edited = edit(2, target, b"edited")
    recall = replace(message(3), attributes=Attributes(recalls=target.message_id))
    await messages.insert([target, other, edited, recall])
    changes = [change(edited, target), change(recall, target, is_recall=True)]
    for one in reversed(changes) if recall_first else changes:
        await messages.change([one])
    await messages.change(changes)  # and again, as a clean-up does
    gone = recall.message_id
    assert [body for body, _, _ in await shown(messages, target, edited)] == [b"", b""]
    assert [by for _, _, by in await shown(messages, target, edited)] == [gone, gone]
    assert await shown(messages, other) == [(b"\x00hi", 0, 0)]


async def test_a_change_of_somebody_elses_message_changes_nothing(messages: MessageStore) -> None:
    theirs = message(1, sender="bob")
    recall = message(2)
    await messages.insert([theirs, recall])
    await messages.change([change(recall, theirs, is_recall=True), change(recall, theirs)])
    assert await shown(messages, theirs) == [(b"\x00hi", 0, 0)]
