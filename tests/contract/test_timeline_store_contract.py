"""What every TimelineStore promises, on memory and on MongoDB with both drivers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymongo import WriteConcern

from services.logic.adapters import timeline_store_mongo
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.domain.model import Placement, TimelineEntry
from services.logic.ports import TimelineStore
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.timeline_store import MemoryTimelineStore

CHAT = "d:alice:bob"


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def timelines(request: pytest.FixtureRequest, open_database: Any) -> TimelineStore:
    if request.param == "memory":
        return MemoryTimelineStore()
    store = MongoTimelineStore(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


def entry(user: str, seq: int, number: int | None = None, *, chat: str = CHAT) -> TimelineEntry:
    return TimelineEntry(user, seq, (1 << 60) + (number or seq), chat, "alice")


def place(of: TimelineEntry) -> Placement:
    return Placement(of.user, of.conversation, of.message_id or 0)


async def test_entries_are_read_as_they_were_written(timelines: TimelineStore) -> None:
    entries = [
        entry("bob", 1),
        TimelineEntry("bob", 2),
        entry("bob", 3)._replace(late=True),
        entry("bob", 4, chat="g:team"),
    ]
    assert await timelines.insert(entries) == []
    assert await timelines.insert([]) == []
    assert await timelines.read("bob", 1, 100) == entries
    assert await timelines.read("alice", 1, 100) == []


async def test_a_page_is_read_whole_however_long_it_is(timelines: TimelineStore) -> None:
    entries = [entry("bob", seq) for seq in range(1, 301)]
    await timelines.insert(entries)
    assert await timelines.read("bob", 1, 257) == entries[:257]
    assert (await timelines.find_placed(place(one) for one in entries)).keys() == {
        place(one) for one in entries
    }


async def test_reading_begins_at_its_seq_and_ends_at_its_limit(timelines: TimelineStore) -> None:
    entries = [entry("bob", seq) for seq in (1, 2, 4, 5, 8)]
    await timelines.insert(list(reversed(entries)))
    assert await timelines.read("bob", 2, 3) == entries[1:4]
    assert await timelines.read("bob", 3, 100) == entries[2:]
    assert await timelines.read("bob", 9, 100) == []
    assert await timelines.read("bob", 1, 0) == []


async def test_a_taken_seq_is_refused(timelines: TimelineStore) -> None:
    await timelines.insert([entry("bob", 2, 20)])
    batch = [entry("bob", 1, 10), entry("bob", 2, 21), entry("bob", 3, 30), entry("carol", 2, 20)]
    assert await timelines.insert(batch) == [1]
    assert await timelines.read("bob", 1, 9) == [batch[0], entry("bob", 2, 20), batch[2]]


async def test_a_message_stands_once_in_a_timeline(timelines: TimelineStore) -> None:
    await timelines.insert([entry("bob", 1, 10)])
    assert await timelines.insert([entry("bob", 2, 10), entry("carol", 2, 10)]) == [0]
    assert await timelines.heads(["bob", "carol"]) == {"bob": 1, "carol": 2}


async def test_a_void_is_refused_where_somebody_stands_and_the_other_way_round(
    timelines: TimelineStore,
) -> None:
    await timelines.insert([entry("bob", 1)])
    voids = [TimelineEntry("bob", seq) for seq in (1, 2, 3)]
    assert await timelines.insert(voids) == [0]
    assert await timelines.insert(voids) == [0, 1, 2]
    assert await timelines.insert([entry("bob", 2)]) == [0]
    assert await timelines.find_placed([place(entry("bob", 2))]) == {}
    assert await timelines.read("bob", 1, 9) == [entry("bob", 1), *voids[1:]]


async def test_our_own_entries_are_refused_the_second_time_and_found(
    timelines: TimelineStore,
) -> None:
    ours = [entry("alice", 1), entry("bob", 7, 1)]
    await timelines.insert(ours)
    assert await timelines.insert([*ours, entry("carol", 1)]) == [0, 1]
    placements = [place(one) for one in ours]
    assert await timelines.find_placed(placements) == dict(zip(placements, (1, 7), strict=True))


async def test_what_stands_nowhere_is_absent(timelines: TimelineStore) -> None:
    stands = entry("bob", 1, 10)
    await timelines.insert([stands])
    elsewhere = [
        Placement("carol", CHAT, stands.message_id or 0),
        Placement("bob", "g:team", stands.message_id or 0),
        Placement("bob", CHAT, 11),
    ]
    assert await timelines.find_placed([*elsewhere, place(stands)]) == {place(stands): 1}
    assert await timelines.find_placed([]) == {}


async def test_many_placements_are_found(timelines: TimelineStore) -> None:
    entries = [entry(f"user-{number % 150}", 1 + number, number + 1) for number in range(450)]
    await timelines.insert(entries)
    assert await timelines.find_placed([place(one) for one in entries]) == {
        place(one): one.seq for one in entries
    }


async def test_of_two_writers_of_one_seq_one_is_refused(timelines: TimelineStore) -> None:
    mine = [entry("bob", seq, seq) for seq in range(1, 51)]
    theirs = [entry("bob", seq, 100 + seq) for seq in range(1, 51)]
    refused_mine, refused_theirs = await asyncio.gather(
        timelines.insert(mine), timelines.insert(theirs)
    )
    assert sorted(refused_mine + refused_theirs) == list(range(50))
    assert [one.seq for one in await timelines.read("bob", 1, 99)] == list(range(1, 51))


async def test_a_head_is_the_last_seq(timelines: TimelineStore) -> None:
    await timelines.insert([entry("alice", 1), entry("alice", 5), TimelineEntry("bob", 3)])
    assert await timelines.heads(["alice", "bob", "carol"]) == {"alice": 5, "bob": 3, "carol": 0}
    assert await timelines.heads([]) == {}


async def test_the_heads_of_many_users_are_all_there(timelines: TimelineStore) -> None:
    await timelines.insert([entry(f"user-{number}", number) for number in range(1, 101)])
    users = [f"user-{number}" for number in range(101)]
    assert await timelines.heads([*users, *users]) == {
        user: number for number, user in enumerate(users)
    }


async def test_only_users_with_something_at_or_above_are_ahead(timelines: TimelineStore) -> None:
    await timelines.insert([entry("alice", seq) for seq in (1, 2, 3)])
    await timelines.insert([entry("bob", seq) for seq in (1, 2)] + [TimelineEntry("dave", 9)])
    positions = {"alice": 3, "bob": 3, "carol": 1, "dave": 4}
    assert await timelines.ahead(positions) == {"alice": 3, "dave": 9}
    assert await timelines.ahead({"bob": 0, "carol": 0}) == {"bob": 2}
    assert await timelines.ahead({}) == {}


async def test_a_user_who_is_far_ahead_hides_nobody(
    timelines: TimelineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline_store_mongo, "AHEAD_ROWS", 10)
    await timelines.insert([entry("alice", seq) for seq in range(1, 101)])
    await timelines.insert([entry("zoe", 7)])
    positions = {"alice": 1, "bob": 1, "zoe": 7, "zz": 0} | {f"u{n}": 1 for n in range(250)}
    found = await timelines.ahead(positions)
    assert found.keys() == {"alice", "zoe"}
    assert 1 <= found["alice"] <= 100
    assert found["zoe"] == 7


async def test_the_ends_of_many_timelines_are_read_together(timelines: TimelineStore) -> None:
    for user in ("zoe", "alice"):
        await timelines.insert([entry(user, seq) for seq in (5, 4, 2)] + [TimelineEntry(user, 1)])
    await timelines.insert([entry(f"user-{number}", 1, number + 9) for number in range(150)])
    positions = {"zoe": 2, "alice": 1, "nobody": 1} | {f"user-{n}": n % 2 + 1 for n in range(150)}
    tails = await timelines.tails(positions, at_most=3 + 4 + 75)
    assert tails is not None
    assert tails.keys() == positions.keys()
    assert tails["zoe"] == [entry("zoe", seq) for seq in (2, 4, 5)]
    assert tails["alice"] == await timelines.read("alice", 1, 9)
    assert (tails["nobody"], tails["user-1"]) == ([], [])
    assert tails["user-148"] == [entry("user-148", 1, 157)]
    assert await timelines.tails(positions, at_most=3 + 4 + 75 - 1) is None
    assert await timelines.tails({}, at_most=0) == {}


async def test_the_seqs_that_exist_are_read_ascending(timelines: TimelineStore) -> None:
    await timelines.insert([entry("bob", seq) for seq in (9, 1, 2, 5)] + [TimelineEntry("bob", 4)])
    assert await timelines.read_seqs("bob", 2, 5) == [2, 4, 5]
    assert await timelines.read_seqs("bob", 6, 8) == []
    assert await timelines.read_seqs("carol", 1, 9) == []


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_without_the_majority_nothing_is_known_to_be_written(
    open_database: Any, driver: str
) -> None:
    database = await open_database(driver)
    await MongoTimelineStore(database).prepare()
    # A set of one can never confirm two: the server writes and reports a writeConcernError.
    unconfirmed = database.with_options(write_concern=WriteConcern(w=2))
    with pytest.raises(WhimbrelError) as raised:
        await MongoTimelineStore(unconfirmed).insert([entry("bob", 1), entry("bob", 1)])
    assert raised.value.code is ErrorCode.UNAVAILABLE
    assert raised.value.outcome_unknown


@pytest.mark.parametrize("driver", ["pymongo", "motor"])
async def test_entries_are_found_by_the_indexes_alone(open_database: Any, driver: str) -> None:
    database = await open_database(driver)
    store = MongoTimelineStore(database)
    await store.prepare()
    await store.insert([entry("bob", seq) for seq in range(1, 51)])
    seqs = await _examined(database, {"user": "bob", "seq": {"$gte": 10}}, {"_id": 0, "seq": 1})
    assert seqs == (41, 0)
    either = [{"user": user, "seq": {"$gte": 41}} for user in ("alice", "bob", "carol")]
    assert (await _examined(database, {"$or": either}, {"_id": 0, "user": 1, "seq": 1}))[1] == 0
    ids = [entry("bob", seq).message_id for seq in (3, 4)]
    placed = {"user": "bob", "conversation": CHAT, "message_id": {"$in": ids}}
    assert (await _examined(database, placed, {}))[1] == 2


async def _examined(database: Any, wanted: Any, fields: Any) -> tuple[int, int]:
    """Keys and documents that the server looks at for this query."""
    find = {"find": "timelines", "filter": wanted, "projection": fields}
    plan = await database.command({"explain": find, "verbosity": "executionStats"})
    statistics = plan["executionStats"]
    return statistics["totalKeysExamined"], statistics["totalDocsExamined"]
