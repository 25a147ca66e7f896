"""The adapters of push that read what Logic stores, on a real MongoDB."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.logic.adapters.cursor_store_mongo import MongoCursorStore
from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.read_store_mongo import MongoReadStore
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.domain.model import ClientKey, DeviceCursor, StoredMessage, TimelineEntry
from services.push.adapters.backlog_mongo import CONVERSATIONS_PER_USER, MongoBacklog
from services.push.adapters.mark_store_mongo import MongoMarkStore
from services.push.domain.sifting import Marks
from tests.stores import own_database
from whimbrel.core.attributes import Attributes
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.push_stream import StreamJob
from whimbrel.runtime.settings import MongoSettings
from whimbrel.runtime.stores import Database, open_mongo

CHAT = "d:alice:bob"


@pytest.fixture(params=["pymongo", "motor"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    url = request.getfixturevalue("mongo_url")
    async with own_database(url, driver=request.param) as opened:
        for store in (MongoCursorStore(opened), MongoTimelineStore(opened), MongoReadStore(opened)):
            await store.prepare()
        yield opened


def entry(user: str, seq: int, *, conversation: str = CHAT, sender: str = "alice") -> TimelineEntry:
    return TimelineEntry(user, seq, 1000 + seq, conversation, sender)


def job_of(entry: TimelineEntry) -> StreamJob:
    return StreamJob(entry.user, entry.conversation, entry.sender, entry.message_id or 0, entry.seq)


async def store(
    database: Database, cursors: dict[str, int], entries: list[TimelineEntry] | None = None
) -> None:
    """Cursors by "user/device"."""
    await MongoCursorStore(database).raise_to(
        [
            DeviceCursor(user, device, cursor)
            for (user, _, device), cursor in (
                (name.partition("/"), cursor) for name, cursor in cursors.items()
            )
        ]
    )
    if entries:
        assert await MongoTimelineStore(database).insert(entries) == []


async def pages(backlog: MongoBacklog) -> list[list[StreamJob]]:
    found = []
    after: str | None = ""
    while after is not None:
        page = await backlog.page(after)
        found.append(page.jobs)
        after = page.last
    return found


async def test_marks_are_the_highest_cursor_and_the_read_mark(database: Database) -> None:
    await store(database, {"bob/phone": 3, "bob/laptop": 7, "carol/phone": 1})
    await MongoReadStore(database).raise_to("bob", CHAT, 9)
    await MongoReadStore(database).raise_to("bob", "g:other", 11)
    jobs = [StreamJob("bob", CHAT, "alice", 1, 8), StreamJob("dave", CHAT, "alice", 1, 8)]
    assert await MongoMarkStore(database).find(jobs) == Marks({"bob": 7}, {("bob", CHAT): 9})
    assert await MongoMarkStore(database).find([]) == Marks()


async def test_logic_sees_the_same_highest_cursors(database: Database) -> None:
    await store(database, {"bob/phone": 3, "bob/laptop": 7, "carol/phone": 1})
    highest = await MongoCursorStore(database).highest(["bob", "carol", "dave"])
    assert highest == {"bob": 7, "carol": 1}


async def test_who_is_behind_gets_the_newest_of_each_conversation(database: Database) -> None:
    bob = [
        entry("bob", 1),
        entry("bob", 2, conversation="g:team"),
        entry("bob", 3),
        entry("bob", 4, conversation="g:old"),
    ]
    await store(
        database,
        {"bob/phone": 0, "carol/phone": 1},
        [*bob, entry("carol", 1)],
    )
    assert await pages(MongoBacklog(database)) == [[job_of(bob[3]), job_of(bob[2]), job_of(bob[1])]]


async def test_who_is_meant_is_looked_up_in_the_messages(database: Database) -> None:
    said = [Attributes(mentions=("bob",)), Attributes(mentions_all=True), Attributes()]
    entries = [entry("bob", seq, conversation=f"g:{seq}") for seq in (1, 2, 3)]
    entries += [entry("carol", seq, conversation=f"g:{seq}") for seq in (1, 2, 3)]
    await store(database, {"bob/phone": 0, "carol/phone": 0}, entries)
    messages = MongoMessageStore(database)
    await messages.prepare()
    await messages.insert(
        [
            StoredMessage(
                message_id=1000 + seq,
                key=ClientKey("alice", "phone", f"c{seq}"),
                conversation=f"g:{seq}",
                participants=("alice", "bob", "carol"),
                body_kind=1,
                body=b"look",
                sent_at_ms=1,
                digest=b"0" * 16,
                attributes=attributes,
            )
            for seq, attributes in enumerate(said, 1)
        ]
    )
    (jobs,) = await pages(MongoBacklog(database))
    meant = [(job.user, job.seq) for job in jobs if job.mentions_user]
    assert sorted(meant) == [("bob", 1), ("bob", 2), ("carol", 2)]


async def test_one_device_that_has_everything_is_enough(database: Database) -> None:
    await store(database, {"bob/phone": 0, "bob/laptop": 1}, [entry("bob", 1)])
    assert await pages(MongoBacklog(database)) == [[]]


async def test_nobody_is_woken_for_voids_or_their_own_messages(database: Database) -> None:
    entries = [
        entry("bob", 1),
        TimelineEntry("bob", 2),
        entry("bob", 3, sender="bob"),
        TimelineEntry("carol", 1),
    ]
    await store(database, {"bob/phone": 0, "carol/phone": 0}, entries)
    assert await pages(MongoBacklog(database)) == [[job_of(entries[0])]]


async def test_a_hole_above_the_cursor_hides_nobody(database: Database) -> None:
    await store(database, {"bob/phone": 4}, [entry("bob", 9)])
    assert await pages(MongoBacklog(database)) == [[job_of(entry("bob", 9))]]


async def test_every_user_is_met_once_whatever_the_pages(database: Database) -> None:
    users = [f"user{number:02}" for number in range(20)]
    devices = {
        f"{user}/device{device}": 0
        for number, user in enumerate(users)
        for device in range(1 + number % 4)
    }
    entries = [entry(user, 1) for user in users]
    await store(database, devices, entries)
    for page_devices in (2, 3, 5, 7, 50, 51):
        found = await pages(MongoBacklog(database, page_devices=page_devices))
        if page_devices > 4:
            assert [job for page in found for job in page] == [job_of(one) for one in entries]
        else:  # a page that cannot hold all devices of one user looks at those that it holds
            assert {job for page in found for job in page} == {job_of(one) for one in entries}


async def test_a_long_absence_brings_a_bounded_number_of_jobs(database: Database) -> None:
    entries = [entry("bob", seq, conversation=f"g:{seq % 40}") for seq in range(1, 301)]
    await store(database, {"bob/phone": 0}, entries)
    (jobs,) = await pages(MongoBacklog(database))
    assert [job.seq for job in jobs] == list(range(300, 300 - CONVERSATIONS_PER_USER, -1))


async def test_a_mongodb_that_is_away_is_unavailable() -> None:
    settings = MongoSettings(url="mongodb://127.0.0.1:1/?replicaSet=rs", timeout_seconds=0.2)
    async with open_mongo(settings) as away:
        job = StreamJob("bob", CHAT, "alice", 1, 1)
        for call in (MongoMarkStore(away).find([job]), MongoBacklog(away).page("")):
            with pytest.raises(WhimbrelError) as raised:
                await call
            assert raised.value.code is ErrorCode.UNAVAILABLE
