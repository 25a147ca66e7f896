"""Of three mongods the primary is lost between the two inserts of a commit."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.adapters.paired_inserts_mongo import MongoPairedInserts
from services.logic.adapters.timeline_store_mongo import MongoTimelineStore
from services.logic.adapters.worker_leases_mongo import MongoWorkerLeases
from services.logic.domain.model import ClientKey, Committed, Draft
from services.logic.usecases.commit_messages import Addressed, CommitMessages, Unfinished
from services.logic.usecases.complete_messages import CompleteMessages
from services.logic.usecases.mint_ids import MintIds
from services.logic.usecases.place_entries import PlaceEntries
from tests.waiting import until
from whimbrel.local.binaries import find_mongod
from whimbrel.local.children import Child, spawn
from whimbrel.local.mongod import mongod_command
from whimbrel.local.ports import Ports
from whimbrel.local.replica_set import find_primary, is_member, replica_set_url, step_down
from whimbrel.runtime.settings import MongoSettings
from whimbrel.runtime.stores import open_mongo
from whimbrel.testing.memory_stores.seq_reservations import MemorySeqReservations

BATCH = [
    Addressed(
        Draft(ClientKey("alice", "phone", f"c{n}"), "d:alice:bob", 1, b"hello"), ("alice", "bob")
    )
    for n in range(5)
]
DEADLINE_SECONDS = 60.0


@asynccontextmanager
async def three_members(folder: Path) -> AsyncIterator[tuple[list[Child], list[str]]]:
    """The processes and addresses of a set whose member 0 is primary."""
    ports = Ports()
    chosen = [ports.take() for _ in range(3)]
    addresses = [f"127.0.0.1:{port}" for port in chosen]
    async with AsyncExitStack() as stack:
        stack.callback(ports.close)
        members = []
        for number, port in enumerate(chosen):
            data = folder / f"db-{number}"
            data.mkdir()
            command = mongod_command(find_mongod(), data, port, members=3)
            child = await spawn(f"mongod-{number}", command, log=folder / f"{number}.log")
            stack.push_async_callback(child.stop, 0.0)
            members.append(child)
        for number in range(3):
            await until(partial(is_member, number, addresses), seconds=60)
        yield members, addresses


@pytest.mark.parametrize("ends", ["killed, and alone had the messages", "steps down"])
async def test_a_primary_that_is_lost_between_the_inserts_costs_no_message(
    tmp_path: Path, ends: str
) -> None:
    async with three_members(tmp_path) as (members, addresses):
        assert await find_primary(addresses) == 0

        async def lose_primary(point: str) -> None:
            if point != "reserve.before" or reservations.faults.reached[point] > 1:
                return
            if ends == "steps down":
                assert await step_down(addresses[0], seconds=30)
                return
            members[0].send(signal.SIGKILL)
            await members[0].wait()
            resume(members[1:])

        reservations = MemorySeqReservations()
        await reservations.raise_to({"alice": 0, "bob": 0})
        unfinished: list[Unfinished] = []
        settings = MongoSettings(url=replica_set_url(addresses), database="lost")
        async with open_mongo(settings) as database:
            messages, timelines = MongoMessageStore(database), MongoTimelineStore(database)
            leases = MongoWorkerLeases(database)
            for store in (messages, timelines, leases):
                await store.prepare()
            ids = MintIds(
                leases,
                "logic-0/a",
                lease_seconds=DEADLINE_SECONDS,
                clock=time.monotonic,
                wall_ms=lambda: time.time_ns() // 1_000_000,
            )
            await ids.renew()
            placer = PlaceEntries(timelines, reservations, clock=time.monotonic)
            commits = CommitMessages(
                messages,
                placer,
                CompleteMessages(timelines, placer, clock=time.monotonic),
                ids,
                clock=time.monotonic,
                on_unfinished=unfinished.append,
                pairs=MongoPairedInserts(database),
            )
            reservations.faults.pause = lose_primary
            if ends != "steps down":
                for member in members[1:]:
                    member.send(signal.SIGSTOP)  # they do not get the messages
            deadline = time.monotonic() + DEADLINE_SECONDS
            outcomes = await commits.commit(BATCH, deadline=deadline)
            assert await find_primary(addresses) in (1, 2)
            assert unfinished == []
            stored = [one.message for one in outcomes if isinstance(one, Committed)]
            assert await messages.find_by_client_keys([one.key for one in stored]) == {
                one.key: one for one in stored
            }
            assert [one.key for one in stored] == [one.draft.key for one in BATCH]
            for user in ("alice", "bob"):
                rows = await timelines.read(user, 1, 100)
                assert [row.seq for row in rows] == [1, 2, 3, 4, 5], "the seqs that it had"
                assert [row.message_id for row in rows] == [one.message_id for one in stored]


def resume(members: Sequence[Child]) -> None:
    for member in members:
        member.send(signal.SIGCONT)
