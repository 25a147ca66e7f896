"""`workers` without MongoDB: the same states and the same compare-and-sets."""

from __future__ import annotations

from dataclasses import dataclass

from services.logic.domain.model import DeadWorker, WorkerLease
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable
from whimbrel.core.ids import MAX_WORKER
from whimbrel.testing.memory_stores.faults import Faults, Pause


@dataclass(slots=True)
class _Worker:
    number: int
    holder: str
    not_before_ms: int
    lease_ms: int
    renewed_ms: int
    until_ms: int
    state: str = "held"
    free_from_ms: int = 0
    claimant: str = ""
    claim_until_ms: int = 0

    def is_held_as(self, lease: WorkerLease) -> bool:
        mine = (self.holder, self.not_before_ms) == (lease.holder, lease.not_before_ms)
        return self.state == "held" and mine

    def may_be_claimed(self, claimant: str, now_ms: int) -> bool:
        if self.state == "held":
            return self.renewed_ms + self.lease_ms < now_ms
        return self.state == "claimed" and (
            self.claimant == claimant or self.claim_until_ms < now_ms
        )

    @property
    def lease(self) -> WorkerLease:
        return WorkerLease(self.number, self.holder, self.not_before_ms, self.until_ms)


class MemoryWorkerLeases:
    """The port WorkerLeases. Operations for `faults`: acquire, renew, release, claim_dead,
    finish_dead."""

    def __init__(self, *, pause: Pause | None = None) -> None:
        self.faults = Faults(pause)
        self._workers: dict[int, _Worker] = {}

    async def prepare(self) -> None:
        """Nothing to create."""

    def state_of(self, worker: int) -> str:
        """ "held", "claimed", "released", or "" for a number that was never used."""
        return self._workers[worker].state if worker in self._workers else ""

    async def acquire(
        self, holder: str, *, now_ms: int, lease_ms: int, reached_ms: int = 0
    ) -> WorkerLease:
        async with self.faults.around("acquire"):
            reached_ms = max(reached_ms, now_ms)
            span = (lease_ms, now_ms, reached_ms + lease_ms)
            for number, known in sorted(self._workers.items()):
                if known.state == "released" and known.free_from_ms < reached_ms:
                    worker = _Worker(number, holder, known.free_from_ms, *span)
                    break
            else:
                number = max(self._workers, default=0) + 1
                if number > MAX_WORKER:
                    raise unavailable(f"all {MAX_WORKER} worker numbers are in use")
                worker = _Worker(number, holder, reached_ms, *span)
            self._workers[number] = worker
            return worker.lease

    async def renew(self, lease: WorkerLease, *, until_ms: int, now_ms: int) -> WorkerLease:
        async with self.faults.around("renew"):
            worker = self._workers.get(lease.worker)
            if worker is None or not worker.is_held_as(lease):
                raise WhimbrelError(
                    ErrorCode.STALE_EPOCH,
                    f"worker {lease.worker} is no longer held by {lease.holder}",
                )
            worker.until_ms = max(worker.until_ms, until_ms)
            worker.renewed_ms = max(worker.renewed_ms, now_ms)
            return worker.lease

    async def release(self, lease: WorkerLease, *, last_issued_ms: int) -> None:
        async with self.faults.around("release"):
            worker = self._workers.get(lease.worker)
            if worker is not None and worker.is_held_as(lease):
                worker.state = "released"
                worker.free_from_ms = last_issued_ms + 1

    async def claim_dead(self, claimant: str, *, now_ms: int, claim_ms: int) -> DeadWorker | None:
        async with self.faults.around("claim_dead"):
            for _, worker in sorted(self._workers.items()):
                if worker.may_be_claimed(claimant, now_ms):
                    worker.state = "claimed"
                    worker.claimant = claimant
                    worker.claim_until_ms = now_ms + claim_ms
                    return DeadWorker(
                        worker.number, worker.holder, worker.renewed_ms, worker.until_ms
                    )
            return None

    async def finish_dead(self, dead: DeadWorker) -> None:
        async with self.faults.around("finish_dead"):
            worker = self._workers.get(dead.worker)
            if (
                worker is not None
                and worker.state == "claimed"
                and (worker.holder, worker.until_ms) == (dead.holder, dead.until_ms)
            ):
                worker.state = "released"
                worker.free_from_ms = dead.until_ms + 1
