"""What is damaged by hand in MongoDB is found: by the job's metrics, and by `whimbrel audit`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import Int64

from tests.component.logic.history_world import CHAT, HistoryWorld, audited_world
from tests.scraping import Scrape, scrape, value
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(redis_url: str, mongo_url: str) -> AsyncIterator[HistoryWorld]:
    async with audited_world(redis_url, mongo_url) as world:
        yield world


def found(seen: Scrape) -> dict[str, float]:
    """All that is wrong, by kind."""
    kinds = {
        dict(labels)["kind"]: count
        for (name, labels), count in seen.items()
        if name == "whimbrel_timeline_disagreements_total"
    }
    kinds["hole"] = value(seen, "whimbrel_timeline_holes_total") or 0
    kinds["repeat"] = value(seen, "whimbrel_timeline_repeats_total") or 0
    return {kind: count for kind, count in kinds.items() if count}


async def audited(world: HistoryWorld, users: int) -> Scrape:
    """The figures once so many more users were looked at, and everything twice that has to be."""
    name = "whimbrel_timeline_audited_users_total"
    before = value(await scrape(world.metrics_address), name) or 0
    seen: Scrape = {}

    async def is_done() -> bool:
        nonlocal seen
        seen = await scrape(world.metrics_address)
        return (value(seen, name) or 0) >= before + users

    await until(is_done)
    return seen


async def command(world: HistoryWorld, mongo_url: str, *words: str) -> tuple[int, str, str]:
    """`whimbrel audit` as a process: its status, its output and its progress."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("WHIMBREL_")}
    place = ("--mongo", mongo_url, "--database", world.database.name, "--settle", "0.2")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "whimbrel.cli.app", "audit", *words, *place,
        env={**kept, "COLUMNS": "160"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def talk(world: HistoryWorld) -> list[int]:
    return [await world.send(f"secret words {n}") for n in range(3)]


async def test_what_logic_has_stored_is_in_order(world: HistoryWorld, mongo_url: str) -> None:
    await talk(world)
    await world.acknowledge("bob", 3)
    assert found(await audited(world, 6)) == {}
    status, out, _ = await command(world, mongo_url, "--all", "--json")
    answer = json.loads(out)
    assert (status, answer["users"], answer["entries"], answer["findings"]) == (0, 2, 6, [])
    status, out, _ = await command(world, mongo_url)
    assert (status, out) == (0, "2 users, 6 entries (0 voids, 0 late): nothing wrong\n")


async def hole(world: HistoryWorld, ids: list[int]) -> None:
    await world.database.timelines.delete_one({"user": "bob", "seq": 2})


async def orphan(world: HistoryWorld, ids: list[int]) -> None:
    await world.database.messages.delete_one({"_id": Int64(ids[1])})


async def repeat(world: HistoryWorld, ids: list[int]) -> None:
    await world.database.timelines.drop_index("user_1_conversation_1_message_id_1")
    row: dict[str, Any] = await world.database.timelines.find_one({"user": "bob", "seq": 2}) or {}
    row.pop("_id")
    await world.database.timelines.insert_one({**row, "seq": 4})


async def doubled_seq(world: HistoryWorld, ids: list[int]) -> None:
    await world.database.timelines.drop_index("user_1_seq_1")
    await world.database.timelines.insert_one({"user": "bob", "seq": 2, "kind": "void"})


async def ahead(world: HistoryWorld, ids: list[int]) -> None:
    await world.database.cursors.insert_one({"_id": "bob/pc", "user": "bob", "cursor": 99})


@pytest.mark.parametrize(
    ("damage", "kinds"),
    [
        (hole, {"hole", "missing"}),
        (orphan, {"orphan"}),
        (repeat, {"repeat"}),
        (doubled_seq, {"repeat"}),
        (ahead, {"ahead"}),
    ],
)
async def test_damage_is_found_by_the_job_and_by_the_command(
    damage: Any, kinds: set[str], world: HistoryWorld, mongo_url: str
) -> None:
    ids = await talk(world)
    await damage(world, ids)

    async def is_counted() -> bool:
        return found(await scrape(world.metrics_address)).keys() == kinds

    await until(is_counted)
    status, out, err = await command(world, mongo_url, "--all", "--json")
    findings = json.loads(out)["findings"]
    assert (status, {one["wrong"] for one in findings}) == (1, kinds)
    assert "looking again in 0.2 s" in err
    assert all(one["advice"] for one in findings)


async def test_the_command_shows_people_what_is_wrong_and_what_to_do_and_no_bodies(
    world: HistoryWorld, mongo_url: str
) -> None:
    ids = await talk(world)
    await hole(world, ids)
    status, out, err = await command(world, mongo_url, "--user", "bob")
    assert status == 1
    assert out.startswith("1 users, 2 entries (0 voids, 0 late): 1 findings\n")
    assert "hole   bob   2" in " ".join(out.split(" "))
    assert "hole: readers fill it with a void" in out
    status, out, err = await command(world, mongo_url, "--sample", "5", "--watch")
    assert (status, f"{ids[1]}  {CHAT}" in out, "secret" in out + err) == (1, True, False)


async def test_a_database_that_is_away_is_a_sentence(world: HistoryWorld) -> None:
    status, out, err = await command(
        world, "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", "--all"
    )
    assert (status, out) == (1, "")
    assert err.startswith("whimbrel: ")
