"""Bare durable inserts, for comparison: documents of the size of a timeline entry, majority and
journaled, one straight after the other, one every 5 ms, and 200 at a time.

`python -m bench.bare_store` reads a StorePlan as one line of JSON from standard input and prints a
StoreResult as one line. It writes into a database of its own, and removes it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from uuid import uuid4

import uvloop
from pymongo.asynchronous.collection import AsyncCollection

from bench import collector
from bench.figures import percentile
from whimbrel.runtime.settings import MongoSettings
from whimbrel.runtime.stores import Document, open_mongo

BATCH = 200
PACE = 200.0
"""Inserts a second of those that leave room: as many as the bench of latency has messages. Cores
that slept in between are slower, for an insert as for a message."""
_WARM_UP = 20


@dataclass(frozen=True)
class StorePlan:
    """What it does."""

    mongo_url: str
    seconds: float = 2.0
    """For each of the three."""


@dataclass(frozen=True)
class StoreResult:
    """What it saw."""

    insert_p50_ms: float
    """One insert_one after the other."""
    insert_p99_ms: float
    inserts: int
    paced_insert_p50_ms: float
    """200 a second, each from when it was due."""
    paced_insert_p99_ms: float
    documents_per_second: float
    """One insert_many of 200 after the other."""


async def measure(plan: StorePlan) -> StoreResult:
    """All three, one after the other."""
    name = f"bench_{uuid4().hex}"
    async with open_mongo(MongoSettings(url=plan.mongo_url, database=name)) as database:
        entries = database["entries"]
        await entries.create_index([("user", 1), ("seq", 1)], unique=True)
        documents = _documents()
        try:
            for document in islice(documents, _WARM_UP):
                await entries.insert_one(document)
            collector.rest()
            taken = []
            ends = time.perf_counter() + plan.seconds
            while (began := time.perf_counter()) < ends:
                await entries.insert_one(next(documents))
                taken.append(round((time.perf_counter() - began) * 1e6))
            paced = await _paced(entries, documents, plan.seconds)
            many = 0
            began = time.perf_counter()
            while time.perf_counter() < began + plan.seconds:
                await entries.insert_many(list(islice(documents, BATCH)), ordered=False)
                many += BATCH
            took = time.perf_counter() - began
        finally:
            await database.client.drop_database(name)
    taken.sort()
    return StoreResult(
        insert_p50_ms=round(percentile(taken, 0.50) / 1000, 3),
        insert_p99_ms=round(percentile(taken, 0.99) / 1000, 3),
        inserts=len(taken),
        paced_insert_p50_ms=round(percentile(paced, 0.50) / 1000, 3),
        paced_insert_p99_ms=round(percentile(paced, 0.99) / 1000, 3),
        documents_per_second=round(many / took, 1),
    )


async def _paced(
    entries: AsyncCollection[Document], documents: Iterator[Document], seconds: float
) -> list[int]:
    """What inserts at PACE took, in µs, ascending. One that is late makes the next ones late."""
    taken = []
    began = time.perf_counter()
    for number in range(max(1, round(seconds * PACE))):
        due = began + number / PACE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await entries.insert_one(next(documents))
        taken.append(round((time.perf_counter() - due) * 1e6))
    return sorted(taken)


def _documents() -> Iterator[Document]:
    number = 0
    while True:
        user = f"user-{number % 1000}"
        yield {
            "user": user,
            "seq": number // 1000 + 1,
            "message_id": (1 << 60) + number,
            "conversation": f"d:somebody:{user}",
            "sender": "somebody",
        }
        number += 1


def main() -> None:
    """See the module."""
    result = uvloop.run(measure(StorePlan(**json.loads(sys.stdin.readline()))))
    print(json.dumps(asdict(result)), flush=True)  # noqa: T201 - the protocol with the parent


if __name__ == "__main__":
    main()
