"""What is damaged by hand in MongoDB costs its user one entry, and nobody else anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import Int64

from tests.component.logic.history_world import HistoryWorld, audited_world
from tests.scraping import scrape, value
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(redis_url: str, mongo_url: str) -> AsyncIterator[HistoryWorld]:
    async with audited_world(redis_url, mongo_url) as world:
        yield world


async def lose_the_conversation(world: HistoryWorld, message_id: int) -> None:
    await world.database.timelines.update_one(
        {"user": "bob", "seq": 2}, {"$unset": {"conversation": 1}}
    )


async def lose_the_body(world: HistoryWorld, message_id: int) -> None:
    await world.database.messages.update_one({"_id": Int64(message_id)}, {"$unset": {"body": 1}})


async def garble_the_conversation(world: HistoryWorld, message_id: int) -> None:
    await world.database.messages.update_one(
        {"_id": Int64(message_id)}, {"$set": {"conversation": 7}}
    )


async def lose_the_message(world: HistoryWorld, message_id: int) -> None:
    await world.database.messages.delete_one({"_id": Int64(message_id)})


@pytest.mark.parametrize(
    "damage",
    [lose_the_conversation, lose_the_body, garble_the_conversation, lose_the_message],
)
async def test_a_damaged_entry_is_a_void_to_its_user_and_the_pod_goes_on(
    damage: Any, world: HistoryWorld
) -> None:
    ids = [await world.send(f"text {number}") for number in range(3)]
    await damage(world, ids[1])

    async def is_passed_over() -> bool:
        # A message that is not there may be on its way for 2 s after a new primary came.
        return len(await world.fetch("bob")) == 3

    await until(is_passed_over)
    first, damaged, last = await world.fetch("bob")
    assert (first.message.message_id, last.message.message_id) == (ids[0], ids[2])
    assert (damaged.seq, damaged.HasField("message")) == (2, False)
    assert [entry.seq for entry in await world.attach("bob")] == [1, 2, 3]
    assert (value(await scrape(world.metrics_address), "whimbrel_logic_passed_over_total") or 0) > 0
    assert await world.send("the pod is the same one") > ids[2]


async def test_the_auditor_names_a_damaged_entry_and_looks_at_the_others(
    world: HistoryWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [await world.send(f"text {number}") for number in range(4)]
    await lose_the_conversation(world, ids[1])
    await world.database.messages.delete_one({"_id": Int64(ids[3])})

    async def kinds() -> set[str]:
        return {
            dict(labels)["kind"]
            for (name, labels), count in (await scrape(world.metrics_address)).items()
            if name == "whimbrel_timeline_disagreements_total" and count
        }

    async def is_named() -> bool:
        return {"unreadable", "missing", "orphan"} <= await kinds()

    await until(is_named)
    said = capsys.readouterr().out
    assert any(
        "timeline_found_wrong" in line and "unreadable" in line and "bob" in line
        for line in said.splitlines()
    ), said
