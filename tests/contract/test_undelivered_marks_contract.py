"""What is acknowledged, read or pulled leaves every UndeliveredIndex and does not come back."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest

from tests.contract.undelivered_stores import CHAT, GROUP, Given, entry, given

__all__ = ["given"]


async def test_an_add_after_the_ack_is_skipped(given: Given) -> None:
    await given.index.acknowledged({"bob": 6})
    await given.index.add([entry(5), entry(6), entry(7)])
    assert await given.index.find("bob") == {CHAT: [1007]}


async def test_an_add_after_the_read_mark_is_skipped_in_its_conversation(given: Given) -> None:
    await given.index.read_up_to("bob", {CHAT: 6})
    await given.index.add([entry(5), entry(6, conversation=GROUP), entry(7)])
    assert await given.index.find("bob") == {CHAT: [1007], GROUP: [1006]}


async def test_an_ack_removes_what_lies_at_or_below_in_every_conversation(given: Given) -> None:
    await given.index.add([entry(1), entry(2, conversation=GROUP), entry(3), entry(4)])
    await given.index.add([entry(1, user="carol")])
    await given.index.acknowledged({"bob": 3})
    assert await given.index.find("bob") == {CHAT: [1004]}
    assert await given.index.find("carol") == {CHAT: [1001]}
    await given.index.acknowledged({"bob": 4, "carol": 1})
    assert await given.index.find("bob") == {}
    assert await given.index.find("carol") == {}


async def test_a_read_mark_removes_what_lies_at_or_below_in_its_conversation(given: Given) -> None:
    await given.index.add([entry(1), entry(2, conversation=GROUP), entry(3)])
    await given.index.read_up_to("bob", {CHAT: 1, GROUP: 2})
    assert await given.index.find("bob") == {CHAT: [1003]}


async def test_marks_never_go_back(given: Given) -> None:
    await given.index.acknowledged({"bob": 6})
    await given.index.acknowledged({"bob": 2})
    await given.index.read_up_to("bob", {CHAT: 8})
    await given.index.read_up_to("bob", {CHAT: 3})
    await given.index.add([entry(6, conversation=GROUP), entry(8), entry(9)])
    assert await given.index.find("bob") == {CHAT: [1009]}


async def test_an_older_ack_still_removes_up_to_the_known_cursor(given: Given) -> None:
    await given.index.add([entry(1), entry(5)])
    await given.index.acknowledged({"bob": 4})
    await given.index.acknowledged({"bob": 2})
    assert await given.index.find("bob") == {CHAT: [1005]}


@pytest.mark.parametrize("seed", range(5))
async def test_the_order_of_adds_acks_and_reads_does_not_matter(given: Given, seed: int) -> None:
    chance = random.Random(seed)
    entries = [entry(seq, conversation=chance.choice([CHAT, GROUP])) for seq in range(1, 31)]
    cursor, read = chance.randint(0, 20), chance.randint(0, 30)
    steps: list[Callable[[], Awaitable[None]]] = [
        lambda: given.index.acknowledged({"bob": cursor}),
        lambda: given.index.acknowledged({"bob": cursor // 2}),
        lambda: given.index.read_up_to("bob", {CHAT: read}),
    ]
    for start in range(0, 30, 3):
        part = entries[start : start + 3]
        steps.append(lambda part=part: given.index.add(part))  # type: ignore[misc]
    chance.shuffle(steps)
    for step in steps:
        await step()
    expected: dict[str, list[int]] = {}
    for one in entries:
        if one.seq > (max(cursor, read) if one.conversation == CHAT else cursor):
            expected.setdefault(one.conversation, []).append(one.message_id)
    assert await given.index.find("bob") == expected


async def test_a_pull_mark_removes_in_its_conversation_and_says_how_much(given: Given) -> None:
    await given.index.add([entry(1), entry(2, conversation=GROUP), entry(3), entry(4)])
    assert await given.index.pulled_up_to("bob", {CHAT: 3, GROUP: 1, "g:none": 9}) == {
        CHAT: (2, 1),
        GROUP: (0, 1),
        "g:none": (0, 0),
    }
    assert await given.index.find("bob") == {CHAT: [1004], GROUP: [1002]}
    assert await given.index.counts("bob") == {CHAT: 1, GROUP: 1}
    assert await given.index.pulled_up_to("bob", {CHAT: 3}) == {CHAT: (0, 1)}


async def test_an_add_after_the_pull_mark_is_skipped_in_its_conversation(given: Given) -> None:
    await given.index.pulled_up_to("bob", {CHAT: 6})
    await given.index.add([entry(5), entry(6, conversation=GROUP), entry(7)])
    assert await given.index.find("bob") == {CHAT: [1007], GROUP: [1006]}
