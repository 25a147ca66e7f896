"""What every WorkerLeases promises, on memory and on MongoDB with both drivers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.logic.adapters.worker_leases_mongo import MongoWorkerLeases
from services.logic.domain.model import DeadWorker, WorkerLease
from services.logic.ports import WorkerLeases
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.testing.memory_stores.worker_leases import MemoryWorkerLeases

NOW = 1_800_000_000_000
LEASE = 10_000
CLAIM = 60_000


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def leases(request: pytest.FixtureRequest, open_database: Any) -> WorkerLeases:
    if request.param == "memory":
        return MemoryWorkerLeases()
    store = MongoWorkerLeases(await open_database(request.param))
    await store.prepare()
    await store.prepare()
    return store


async def acquire(leases: WorkerLeases, holder: str, now_ms: int = NOW) -> WorkerLease:
    return await leases.acquire(holder, now_ms=now_ms, lease_ms=LEASE)


async def test_a_lease_has_a_number_of_its_own_and_an_upper_bound(leases: WorkerLeases) -> None:
    one, other = await acquire(leases, "logic-0/a"), await acquire(leases, "logic-1/b")
    assert one.worker != other.worker
    assert (one.holder, other.holder) == ("logic-0/a", "logic-1/b")
    assert one.until_ms == NOW + LEASE
    assert one.not_before_ms <= NOW


async def test_many_at_once_get_a_number_each(leases: WorkerLeases) -> None:
    taken = await asyncio.gather(*(acquire(leases, f"logic-{n}/x") for n in range(12)))
    assert len({lease.worker for lease in taken}) == 12


async def test_renewing_extends_and_never_shortens(leases: WorkerLeases) -> None:
    lease = await acquire(leases, "logic-0/a")
    longer = await leases.renew(lease, until_ms=NOW + 20_000, now_ms=NOW + 5_000)
    assert longer == lease._replace(until_ms=NOW + 20_000)
    assert await leases.renew(longer, until_ms=NOW + 15_000, now_ms=NOW + 6_000) == longer
    assert await leases.renew(lease, until_ms=NOW + 20_000, now_ms=NOW + 6_000) == longer


async def test_a_lease_that_ran_out_can_be_renewed_until_somebody_claims_it(
    leases: WorkerLeases,
) -> None:
    lease = await acquire(leases, "logic-0/a")
    later = NOW + 10 * LEASE
    assert (await leases.renew(lease, until_ms=later + LEASE, now_ms=later)).worker == lease.worker
    assert await leases.claim_dead("logic-1/b", now_ms=later, claim_ms=CLAIM) is None


async def test_a_released_number_is_used_again_above_what_was_issued(leases: WorkerLeases) -> None:
    lease = await acquire(leases, "logic-0/a")
    await leases.release(lease, last_issued_ms=NOW + 500)
    await leases.release(lease, last_issued_ms=NOW + 500)
    again = await acquire(leases, "logic-1/b", NOW + 1_000)
    assert again == WorkerLease(lease.worker, "logic-1/b", NOW + 501, NOW + 1_000 + LEASE)


@pytest.mark.parametrize("ahead_ms", [0, 1, 5_000])
async def test_a_released_number_is_not_used_before_its_bound(
    leases: WorkerLeases, ahead_ms: int
) -> None:
    lease = await acquire(leases, "logic-0/a")
    # The holder had borrowed from the future.
    await leases.release(lease, last_issued_ms=NOW + 999 + ahead_ms)
    early = await acquire(leases, "logic-1/b", NOW + 1_000)
    assert early.worker != lease.worker
    late = await acquire(leases, "logic-2/c", NOW + 1_001 + ahead_ms)
    assert (late.worker, late.not_before_ms) == (lease.worker, NOW + 1_000 + ahead_ms)


async def test_what_an_old_holder_says_does_nothing_to_the_new_one(leases: WorkerLeases) -> None:
    old = await acquire(leases, "logic-0/a")
    await leases.release(old, last_issued_ms=NOW)
    new = await acquire(leases, "logic-0/a", NOW + 1_000)
    assert new.worker == old.worker
    await leases.release(old, last_issued_ms=NOW)
    with pytest.raises(WhimbrelError) as raised:
        await leases.renew(old, until_ms=NOW + 90_000, now_ms=NOW + 1_000)
    assert raised.value.code is ErrorCode.STALE_EPOCH
    assert await leases.renew(new, until_ms=new.until_ms, now_ms=NOW + 1_000) == new


async def test_the_living_and_the_released_are_not_dead(leases: WorkerLeases) -> None:
    await acquire(leases, "logic-0/a")
    gone = await acquire(leases, "logic-1/b")
    await leases.release(gone, last_issued_ms=NOW)
    assert await leases.claim_dead("logic-2/c", now_ms=NOW + LEASE, claim_ms=CLAIM) is None


async def test_a_lease_that_ran_out_is_claimed_by_one(leases: WorkerLeases) -> None:
    lease = await acquire(leases, "logic-0/a")
    await leases.renew(lease, until_ms=NOW + 12_000, now_ms=NOW + 2_000)
    claims = await asyncio.gather(
        *(leases.claim_dead(f"logic-{n}/x", now_ms=NOW + 12_001, claim_ms=CLAIM) for n in range(5))
    )
    won = [claim for claim in claims if claim is not None]
    assert won == [DeadWorker(lease.worker, "logic-0/a", NOW + 2_000, NOW + 12_000)]


async def test_two_dead_are_claimed_one_after_the_other(leases: WorkerLeases) -> None:
    taken = {(await acquire(leases, f"logic-{n}/x")).worker for n in range(2)}
    later = NOW + LEASE + 1
    claimed = set()
    for claimant in ("logic-7/x", "logic-8/x"):
        dead = await leases.claim_dead(claimant, now_ms=later, claim_ms=CLAIM)
        assert dead is not None
        claimed.add(dead.worker)
    assert claimed == taken


async def test_from_the_claim_on_the_dead_holder_cannot_renew(leases: WorkerLeases) -> None:
    lease = await acquire(leases, "logic-0/a")
    dead = await leases.claim_dead("logic-1/b", now_ms=NOW + LEASE + 1, claim_ms=CLAIM)
    assert dead is not None
    for _ in range(2):  # while it is cleaned up, and afterwards
        with pytest.raises(WhimbrelError) as raised:
            await leases.renew(lease, until_ms=NOW + 90_000, now_ms=NOW + LEASE + 2)
        assert raised.value.code is ErrorCode.STALE_EPOCH
        await leases.release(lease, last_issued_ms=NOW)  # too late for a goodbye
        await leases.finish_dead(dead)
    reused = await acquire(leases, "logic-2/c", NOW + LEASE + 2)
    assert (reused.worker, reused.not_before_ms) == (lease.worker, NOW + LEASE + 1)


async def test_a_dead_number_is_used_again_only_when_finished_and_above_its_bound(
    leases: WorkerLeases,
) -> None:
    lease = await acquire(leases, "logic-0/a")
    ahead = NOW + 60_000
    await leases.renew(lease, until_ms=ahead, now_ms=NOW)
    # Its ids may lie a minute ahead; it is dead all the same when it does not renew.
    assert await leases.claim_dead("logic-1/b", now_ms=NOW + LEASE, claim_ms=CLAIM) is None
    dead = await leases.claim_dead("logic-1/b", now_ms=NOW + LEASE + 1, claim_ms=CLAIM)
    assert dead is not None
    assert (await acquire(leases, "logic-2/c", ahead + 5)).worker != lease.worker
    await leases.finish_dead(dead)
    await leases.finish_dead(dead)
    # Another clock, which has not come past the bound yet.
    assert (await acquire(leases, "logic-3/d", ahead)).worker != lease.worker
    assert (await acquire(leases, "logic-4/e", ahead + 1)).worker != lease.worker
    again = await acquire(leases, "logic-5/f", ahead + 2)
    assert (again.worker, again.not_before_ms) == (lease.worker, ahead + 1)


async def test_a_claim_that_ran_out_is_claimed_again_and_no_sooner(leases: WorkerLeases) -> None:
    await acquire(leases, "logic-0/a")
    died = NOW + LEASE + 1
    first = await leases.claim_dead("logic-1/b", now_ms=died, claim_ms=CLAIM)
    assert first is not None
    assert await leases.claim_dead("logic-2/c", now_ms=died + CLAIM, claim_ms=CLAIM) is None
    second = await leases.claim_dead("logic-2/c", now_ms=died + CLAIM + 1, claim_ms=CLAIM)
    assert second == first


async def test_a_claimant_gets_its_own_claim_again_until_it_is_finished(
    leases: WorkerLeases,
) -> None:
    await acquire(leases, "logic-0/a")
    died = NOW + LEASE + 1
    claims = [
        await leases.claim_dead("logic-1/b", now_ms=died + n, claim_ms=CLAIM) for n in range(2)
    ]
    assert claims[0] is not None
    assert claims[0] == claims[1]
    await leases.finish_dead(claims[0])
    assert await leases.claim_dead("logic-1/b", now_ms=died + 9, claim_ms=CLAIM) is None


async def test_finishing_late_does_nothing_to_a_new_holder(leases: WorkerLeases) -> None:
    await acquire(leases, "logic-0/a")
    died = NOW + LEASE + 1
    dead = await leases.claim_dead("logic-1/b", now_ms=died, claim_ms=CLAIM)
    assert dead is not None
    await leases.finish_dead(dead)
    new = await acquire(leases, "logic-2/c", died + 1)
    await leases.finish_dead(dead)
    assert await leases.renew(new, until_ms=new.until_ms, now_ms=died + 2) == new


async def test_when_all_numbers_are_in_use_it_says_so(
    leases: WorkerLeases, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("services.logic.adapters.worker_leases_mongo", MemoryWorkerLeases.__module__):
        monkeypatch.setattr(f"{module}.MAX_WORKER", 3)
    taken = [await acquire(leases, f"logic-{n}/x") for n in range(3)]
    with pytest.raises(WhimbrelError, match="worker numbers are in use") as raised:
        await acquire(leases, "logic-3/x")
    assert raised.value.code is ErrorCode.UNAVAILABLE
    assert not raised.value.outcome_unknown
    await leases.release(taken[1], last_issued_ms=NOW)
    assert (await acquire(leases, "logic-3/x", NOW + 2)).worker == taken[1].worker


async def test_a_holders_name_is_only_a_name(leases: WorkerLeases) -> None:
    first = await acquire(leases, "$holder")
    await leases.release(first, last_issued_ms=NOW)
    assert (await acquire(leases, "$_id", NOW + 9)).holder == "$_id"
