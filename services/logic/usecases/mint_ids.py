"""Keeps a worker lease alive and mints message ids under it (rule 8).

The lease is in MongoDB, because a Redis that was lost must not hand one number out twice. A
process that was stopped past its lease finds that out by its own monotonic clock before it
mints, and takes a new lease; what it issues stays inside bounds that no successor uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from services.logic.domain.model import WorkerLease
from services.logic.ports import WorkerLeases
from services.logic.usecases.patience import Clock, until_deadline
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.ids import IdMinter, LeaseExpiredError, unix_ms_of
from whimbrel.runtime.logs import get_logger

log = get_logger(__name__)


class MintIds:
    """One process's right to mint."""

    def __init__(
        self,
        leases: WorkerLeases,
        holder: str,
        *,
        lease_seconds: float,
        clock: Clock,
        wall_ms: Callable[[], int],
    ) -> None:
        self._leases = leases
        self._holder = holder
        self._lease_seconds = lease_seconds
        self._clock = clock
        self.wall_ms = wall_ms
        self._lease: WorkerLease | None = None
        self._minter: IdMinter | None = None
        self._floor = 0
        self._renewing = asyncio.Lock()

    @property
    def floor(self) -> int:
        """The highest message_id that this process has seen or issued."""
        return max(self._floor, self._minter.floor if self._minter else 0)

    @property
    def last_issued_ms(self) -> int:
        """No id of this process carries a later Unix millisecond."""
        return self._minter.last_issued_ms if self._minter else self.wall_ms()

    @property
    def worker(self) -> int | None:
        """The worker number held, if any."""
        return self._lease.worker if self._lease else None

    def observe(self, message_id: int) -> None:
        """A peer has seen this id: issue none below it (rule 7)."""
        if message_id > self._floor:
            self._floor = message_id
            if self._minter is not None:
                self._minter.observe(message_id)

    async def mint(self, deadline: float) -> int:
        """A new id. Renews or replaces a lease that has run out, until the deadline; raises
        UNAVAILABLE then."""
        while True:
            if self._minter is not None:
                try:
                    return self._minter.mint(wall_ms=self.wall_ms(), now=self._clock())
                except LeaseExpiredError:
                    log.warning("worker_lease_ran_out", worker=self.worker)
            await until_deadline(self.renew, deadline=deadline, clock=self._clock)

    async def renew(self) -> None:
        """Extend the lease; acquire another when there is none or it was declared dead. Raises
        UNAVAILABLE when MongoDB does not answer."""
        async with self._renewing:
            # Both bounds are measured from before the call: a slow answer shortens the lease.
            expires_at = self._clock() + self._lease_seconds
            lease_ms = int(self._lease_seconds * 1000)
            reached = self.wall_ms()
            if self.floor:
                reached = max(reached, unix_ms_of(self.floor))
            if self._lease is not None and self._minter is not None:
                try:
                    self._lease = await self._leases.renew(
                        self._lease, until_ms=reached + lease_ms, now_ms=self.wall_ms()
                    )
                except WhimbrelError as error:
                    if error.code is not ErrorCode.STALE_EPOCH:
                        raise
                    log.warning("worker_lease_lost", worker=self._lease.worker)
                    self._floor = self.floor
                    self._lease = self._minter = None
                else:
                    self._minter.renew(until_ms=self._lease.until_ms, expires_at=expires_at)
                    return
            lease = await self._leases.acquire(
                self._holder, now_ms=self.wall_ms(), lease_ms=lease_ms, reached_ms=reached
            )
            self._lease = lease
            self._minter = IdMinter(
                lease.worker,
                not_before_ms=lease.not_before_ms,
                until_ms=lease.until_ms,
                expires_at=expires_at,
                floor=self._floor,
            )
            log.info("worker_lease_acquired", worker=lease.worker)

    async def run(self, renew_seconds: float) -> None:
        """Renew for ever. MongoDB away is logged and tried again: minting stops by itself when
        the lease runs out."""
        while True:
            await asyncio.sleep(renew_seconds)
            try:
                await self.renew()
            except WhimbrelError as error:
                log.warning("worker_lease_not_renewed", detail=error.detail)

    async def release(self) -> None:
        """The goodbye: nothing of ours is half done."""
        lease, minter = self._lease, self._minter
        self._lease = self._minter = None
        if lease is not None and minter is not None:
            await self._leases.release(lease, last_issued_ms=minter.last_issued_ms)
