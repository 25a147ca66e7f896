"""`workers` in MongoDB: which process may mint ids with which worker number (rules 6 and 8).

    _id (the number), state, holder, not_before_ms, until_ms, lease_ms, renewed_ms, expires_ms
    state "held"       by `holder`; dead when expires_ms (the last renewal + lease_ms) has passed
          "claimed"    its holder is dead; `claimant` cleans up until claim_until_ms
          "released"   free for ids from free_from_ms on

Every change is one compare-and-set on one document. A lease is known by its number, its holder
and its not_before_ms, which rises with every holder: what an old holder still sends finds
nothing. Times are Unix milliseconds as the callers see them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from services.logic.domain.model import DeadWorker, WorkerLease
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.core.ids import MAX_WORKER
from whimbrel.runtime.mongo_errors import reading, writing
from whimbrel.runtime.stores import Database, Document

COLLECTION = "workers"
HELD = "held"
CLAIMED = "claimed"
RELEASED = "released"


class MongoWorkerLeases:
    """The port WorkerLeases. Numbers are 1 to 1,023."""

    def __init__(self, database: Database) -> None:
        self._workers = database[COLLECTION]

    async def prepare(self) -> None:
        """Nothing to create: there are at most 1,023 documents, found by _id or read through."""

    async def acquire(
        self, holder: str, *, now_ms: int, lease_ms: int, reached_ms: int = 0
    ) -> WorkerLease:
        """See the port. When all numbers are in use: UNAVAILABLE, and nothing was changed."""
        reached_ms = max(reached_ms, now_ms)
        taken = {
            "state": HELD,
            "lease_ms": lease_ms,
            "renewed_ms": now_ms,
            "expires_ms": now_ms + lease_ms,
            "until_ms": reached_ms + lease_ms,
        }
        held = {**taken, "holder": {"$literal": holder}, "not_before_ms": "$free_from_ms"}
        with writing():
            row = await self._workers.find_one_and_update(
                {"state": RELEASED, "free_from_ms": {"$lt": reached_ms}},
                [{"$set": held}, {"$unset": ["free_from_ms", "claimant", "claim_until_ms"]}],
                sort=[("_id", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        if row is None:
            row = await self._first_use({**taken, "holder": holder, "not_before_ms": reached_ms})
        return _lease(row)

    async def _first_use(self, held: Document) -> Document:
        """Take the first number that was never used."""
        while True:
            with reading():
                last = await self._workers.find_one({}, {"_id": True}, sort=[("_id", DESCENDING)])
            worker = 1 if last is None else last["_id"] + 1
            if worker > MAX_WORKER:
                raise unavailable(
                    f"all {MAX_WORKER} worker numbers are in use: stop some Logic pods, or wait "
                    "until dead ones are cleaned up"
                )
            row: Document = {"_id": worker, **held}
            with writing():
                try:
                    await self._workers.insert_one(row)
                except DuplicateKeyError:
                    continue  # somebody was faster: the next number
            return row

    async def renew(self, lease: WorkerLease, *, until_ms: int, now_ms: int) -> WorkerLease:
        with writing():
            row = await self._workers.find_one_and_update(
                _held_as(lease),
                [{"$set": _renewed(until_ms, now_ms)}],
                return_document=ReturnDocument.AFTER,
            )
        if row is None:
            raise WhimbrelError(
                ErrorCode.STALE_EPOCH, f"worker {lease.worker} is no longer held by {lease.holder}"
            )
        return _lease(row)

    async def release(self, lease: WorkerLease, *, last_issued_ms: int) -> None:
        released = {"state": RELEASED, "free_from_ms": last_issued_ms + 1}
        with writing():
            # No document: it was released before, or declared dead; then its claimant frees it.
            await self._workers.find_one_and_update(_held_as(lease), {"$set": released})

    async def claim_dead(self, claimant: str, *, now_ms: int, claim_ms: int) -> DeadWorker | None:
        """See the port. A claimant that asks again gets its own claim again: the answer to its
        first call may have been lost, or its cleaning up was interrupted."""
        dead: Document = {
            "$or": [
                {"state": HELD, "expires_ms": {"$lt": now_ms}},
                {"state": CLAIMED, "claim_until_ms": {"$lt": now_ms}},
                {"state": CLAIMED, "claimant": claimant},
            ]
        }
        claim = {"state": CLAIMED, "claimant": claimant, "claim_until_ms": now_ms + claim_ms}
        with writing():
            row = await self._workers.find_one_and_update(
                dead,
                {"$set": claim},
                sort=[("_id", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        if row is None:
            return None
        return DeadWorker(row["_id"], row["holder"], row["renewed_ms"], row["until_ms"])

    async def finish_dead(self, dead: DeadWorker) -> None:
        claimed = {
            "_id": dead.worker,
            "state": CLAIMED,
            "holder": dead.holder,
            "until_ms": dead.until_ms,
        }
        released = {"state": RELEASED, "free_from_ms": dead.until_ms + 1}
        with writing():
            # No document: another claimant has finished it, and somebody may hold it again.
            await self._workers.find_one_and_update(claimed, {"$set": released})


def _renewed(until_ms: int, now_ms: int) -> Document:
    return {
        "until_ms": {"$max": ["$until_ms", until_ms]},
        "renewed_ms": {"$max": ["$renewed_ms", now_ms]},
        "expires_ms": {"$max": ["$expires_ms", {"$add": ["$lease_ms", now_ms]}]},
    }


def _held_as(lease: WorkerLease) -> Document:
    return {
        "_id": lease.worker,
        "state": HELD,
        "holder": lease.holder,
        "not_before_ms": lease.not_before_ms,
    }


def _lease(row: Mapping[str, Any]) -> WorkerLease:
    return WorkerLease(row["_id"], row["holder"], int(row["not_before_ms"]), int(row["until_ms"]))
