"""Bare durable inserts, for comparison: documents of the size of a timeline entry, majority and
journaled, one at a time and 200 at a time.

`python -m bench.bare_store` reads a StorePlan as one line of JSON from standard input and prints a
StoreResult as one line. It writes into a database of its own, and removes it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any
from uuid import uuid4

import uvloop

from bench import collector
from bench.figures import percentile
from whimbrel.runtime.settings import MongoSettings
from whimbrel.runtime.stores import open_mongo

BATCH = 200
_WARM_UP = 20


@dataclass(frozen=True)
class StorePlan:
    """What it does."""

    mongo_url: str
    seconds: float = 2.0
    """For each of the two."""


@dataclass(frozen=True)
class StoreResult:
    """What it saw."""

    insert_p50_ms: float
    """One insert_one after the other."""
    insert_p99_ms: float
    inserts: int
    documents_per_second: float
    """One insert_many of 200 after the other."""


async def measure(plan: StorePlan) -> StoreResult:
    """Both, one after the other."""
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
        documents_per_second=round(many / took, 1),
    )


def _documents() -> Iterator[dict[str, Any]]:
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
