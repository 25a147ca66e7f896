"""What every Standings promises, on memory and on MongoDB."""

from __future__ import annotations

import pytest

from services.logic.adapters.standings_mongo import MongoStandings
from services.logic.domain.standings import NEVER, Standing
from services.logic.webhook_ports import Standings
from tests.contract.conftest import OpenDatabase
from whimbrel.testing.memory_stores.standings import MemoryStandings

NOW = 1_800_000_000_000


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def standings(request: pytest.FixtureRequest, open_database: OpenDatabase) -> Standings:
    if request.param == "memory":
        return MemoryStandings()
    store = MongoStandings(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


def standing(user: str, version: int = 1, look_ms: int = NOW, *, is_told: bool = False) -> Standing:
    return Standing(user, version, True, NOW - 1, is_told, NOW - 2, look_ms)


async def test_what_is_put_is_found_whole(standings: Standings) -> None:
    await standings.put([standing("alice"), standing("bob")])
    await standings.put([])
    assert await standings.find(["alice", "carol"]) == {"alice": standing("alice")}
    assert await standings.find([]) == {}


async def test_of_two_who_change_the_same_the_first_one_counts(standings: Standings) -> None:
    await standings.put([standing("alice")])
    await standings.put([standing("alice", is_told=True), standing("bob")])
    assert await standings.find(["alice"]) == {"alice": standing("alice")}
    await standings.put([standing("alice", 2), standing("carol", 2)])
    await standings.put([standing("alice", 2, is_told=True)])
    found = await standings.find(["alice", "bob", "carol"])
    assert found == {"alice": standing("alice", 2), "bob": standing("bob")}


async def test_who_is_due_for_longest_comes_first(standings: Standings) -> None:
    await standings.put(
        [
            standing("late", look_ms=NOW),
            standing("early", look_ms=NOW - 5),
            standing("not_yet", look_ms=NOW + 1),
            standing("never", look_ms=NEVER),
        ]
    )
    assert await standings.due(now_ms=NOW, limit=10) == ["early", "late"]
    assert await standings.due(now_ms=NOW, limit=1) == ["early"]
