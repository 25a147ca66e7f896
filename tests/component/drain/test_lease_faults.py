"""An API server that refuses, hangs or loses an answer is told as unavailable before the lease
ends, and never makes two tenures of one term."""

from __future__ import annotations

import asyncio

import pytest

from tests.component.drain.faulty_proxy import Answer, Before, Hang, Lost, Slow
from tests.component.drain.kube_world import KubeWorld
from tests.component.drain.lease_world import LEASE, contender, lease_of
from whimbrel.core.errors import ErrorCode, WhimbrelError


async def test_a_resignation_that_fails_is_no_error(world: KubeWorld) -> None:
    one = await contender(world, "one")
    await one.hold(0)
    world.proxy.spoil("update", "leases", Answer(500))
    await one.resign()
    assert (await lease_of(world))["spec"]["holderIdentity"] == "one"


@pytest.mark.parametrize("verb", ["get", "update"])
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_that_cannot_now_is_unavailable_and_the_tenure_goes_on(
    world: KubeWorld, verb: str, status: int
) -> None:
    one = await contender(world, "one")
    first = await one.hold(0)
    world.proxy.spoil(verb, "leases", Answer(status))
    with pytest.raises(WhimbrelError) as refused:
        await one.hold(0)
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert await one.hold(0) == first


async def test_a_conflict_is_no_loss_while_the_lease_is_ours(world: KubeWorld) -> None:
    one = await contender(world, "one")
    first = await one.hold(0)

    async def touch() -> None:
        await world.change("leases", LEASE, {"metadata": {"labels": {"x": "y"}}})

    world.proxy.spoil("update", "leases", Before(touch))
    assert await one.hold(0) == first


async def test_an_answer_that_was_lost_never_makes_two_tenures_of_one_term(
    world: KubeWorld,
) -> None:
    one = await contender(world, "one")
    world.proxy.spoil("create", "leases", Lost())
    with pytest.raises(WhimbrelError) as lost:
        await one.hold(0)
    assert lost.value.outcome_unknown
    stored = int((await lease_of(world))["metadata"]["annotations"]["whimbrel.io/term"])
    tenure = await one.hold(0)
    assert tenure.is_own
    assert tenure.term > stored


async def test_a_renewal_that_hangs_ends_before_the_lease_does(world: KubeWorld) -> None:
    _, one = await world.open(holder="one", lease_seconds=1)
    await one.hold(0)
    world.proxy.spoil("get", "leases", Hang(), times=10)
    async with asyncio.timeout(1):
        with pytest.raises(WhimbrelError) as hung:
            await one.hold(0)
    assert hung.value.code is ErrorCode.UNAVAILABLE


async def test_a_renewal_that_is_slow_and_in_dispute_ends_before_the_lease_does(
    world: KubeWorld,
) -> None:
    one = await contender(world, "one", lease_seconds=3)
    await one.hold(0)
    # Each call is within its own time, all of them together are not.
    world.proxy.spoil("get", "leases", Slow(0.7), times=10)
    world.proxy.spoil("update", "leases", Answer(409), times=10)
    with pytest.raises(WhimbrelError, match="not renewed in time"):
        await one.hold(0)


async def test_a_lease_in_dispute_ends_as_unavailable(world: KubeWorld) -> None:
    one = await contender(world, "one")
    await one.hold(0)
    world.proxy.spoil("update", "leases", Answer(409), times=100)
    with pytest.raises(WhimbrelError) as refused:
        await one.hold(0)
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert len(world.proxy.asked("update", "leases")) <= 5
