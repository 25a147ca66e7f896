"""One controller leads, with a term above every earlier one, whatever happens to the lease."""

from __future__ import annotations

import asyncio

from services.drain.ports import Tenure
from tests.component.drain.faulty_proxy import Before
from tests.component.drain.kube_world import KubeWorld
from tests.component.drain.lease_world import LEASE, NOW, SECONDS, Clocks, contender, lease_of


async def test_the_first_one_leads_with_a_term_in_milliseconds(world: KubeWorld) -> None:
    leadership = await contender(world, "one")
    tenure = await leadership.hold(0)
    assert tenure == Tenure(term=int(NOW * 1000), holder="one", is_own=True)
    lease = await lease_of(world)
    assert lease["spec"]["holderIdentity"] == "one"
    assert lease["metadata"]["annotations"]["whimbrel.io/term"] == str(tenure.term)


async def test_renewing_keeps_the_term_and_moves_the_time(world: KubeWorld) -> None:
    clocks = Clocks()
    leadership = await contender(world, "one", clocks)
    first = await leadership.hold(0)
    before = (await lease_of(world))["spec"]["renewTime"]
    clocks.move(5)
    assert await leadership.hold(first.term) == first
    assert (await lease_of(world))["spec"]["renewTime"] > before


async def test_the_other_one_learns_who_leads(world: KubeWorld) -> None:
    one, other = await contender(world, "one"), await contender(world, "other")
    tenure = await one.hold(0)
    assert await other.hold(0) == Tenure(term=tenure.term, holder="one", is_own=False)


async def test_a_lease_that_is_not_renewed_is_taken_with_a_higher_term(world: KubeWorld) -> None:
    clocks = Clocks(wall=NOW - 3600)  # its clock is an hour behind
    one, other = await contender(world, "one"), await contender(world, "other", clocks)
    first = await one.hold(0)
    assert not (await other.hold(0)).is_own
    clocks.move(SECONDS - 0.1)
    assert not (await other.hold(0)).is_own
    clocks.move(0.2)
    second = await other.hold(0)
    assert second.is_own
    assert second.term == first.term + 1
    assert await one.hold(0) == Tenure(term=second.term, holder="other", is_own=False)


async def test_a_lease_that_is_renewed_is_never_taken_whatever_the_clocks_say(
    world: KubeWorld,
) -> None:
    mine, theirs = Clocks(wall=NOW - 86_400), Clocks(wall=NOW + 86_400)
    one, other = await contender(world, "one", mine), await contender(world, "other", theirs)
    first = await one.hold(0)
    for _ in range(6):
        mine.move(SECONDS / 3)
        theirs.move(SECONDS / 3)
        assert await one.hold(0) == first
        assert not (await other.hold(0)).is_own


async def test_a_holder_with_a_longer_lease_is_given_its_own_time(world: KubeWorld) -> None:
    clocks = Clocks()
    one = await contender(world, "one", lease_seconds=40)
    other = await contender(world, "other", clocks, lease_seconds=15)
    await one.hold(0)
    await other.hold(0)
    clocks.move(20)
    assert not (await other.hold(0)).is_own
    clocks.move(21)
    assert (await other.hold(0)).is_own


async def test_of_many_at_once_one_leads(world: KubeWorld) -> None:
    contenders = [await contender(world, f"drain-{n}") for n in range(6)]
    tenures = await asyncio.gather(*(each.hold(0) for each in contenders))
    assert sum(tenure.is_own for tenure in tenures) == 1
    assert len({(tenure.term, tenure.holder) for tenure in tenures}) == 1


async def test_of_many_who_see_it_run_out_one_takes_it(world: KubeWorld) -> None:
    dead = await contender(world, "dead")
    first = await dead.hold(0)
    clocks = [Clocks() for _ in range(5)]
    contenders = [await contender(world, f"drain-{n}", own) for n, own in enumerate(clocks)]
    for each in contenders:
        assert not (await each.hold(0)).is_own
    for own in clocks:
        own.move(SECONDS + 1)
    tenures = await asyncio.gather(*(each.hold(0) for each in contenders))
    assert sum(tenure.is_own for tenure in tenures) == 1
    assert len({(tenure.term, tenure.holder) for tenure in tenures}) == 1
    assert tenures[0].term > first.term


async def test_who_was_slower_by_a_moment_does_not_lead(world: KubeWorld) -> None:
    one, other = await contender(world, "one"), await contender(world, "other")
    world.proxy.spoil("create", "leases", Before(lambda: other.hold(0)))
    tenure = await one.hold(0)
    assert (tenure.holder, tenure.is_own) == ("other", False)


async def test_a_leader_whose_lease_was_taken_during_its_renewal_leads_no_more(
    world: KubeWorld,
) -> None:
    clocks = Clocks()
    one, other = await contender(world, "one"), await contender(world, "other", clocks)
    await one.hold(0)
    await other.hold(0)
    clocks.move(SECONDS + 1)
    world.proxy.spoil("update", "leases", Before(lambda: other.hold(0)))
    tenure = await one.hold(0)
    assert (tenure.holder, tenure.is_own) == ("other", False)
    assert (await lease_of(world))["spec"]["holderIdentity"] == "other"


async def test_a_lease_that_is_lost_does_not_lower_the_term(world: KubeWorld) -> None:
    clocks = Clocks()
    one = await contender(world, "one", clocks)
    first = await one.hold(0)
    await world.delete("leases", LEASE)
    clocks.wall -= 3600
    second = await one.hold(min_term=first.term)
    assert second.is_own
    assert second.term == first.term + 1


async def test_a_leader_that_pods_have_left_behind_takes_a_higher_term(world: KubeWorld) -> None:
    one = await contender(world, "one")
    first = await one.hold(0)
    second = await one.hold(min_term=first.term + 7)
    assert second.is_own
    assert second.term == first.term + 8


async def test_the_same_name_after_a_restart_is_a_new_tenure(world: KubeWorld) -> None:
    first = await (await contender(world, "one")).hold(0)
    second = await (await contender(world, "one")).hold(0)
    assert second.is_own
    assert second.term > first.term


async def test_who_resigns_is_followed_at_once_and_by_a_higher_term(world: KubeWorld) -> None:
    one, other = await contender(world, "one"), await contender(world, "other")
    first = await one.hold(0)
    await one.resign()
    await one.resign()
    second = await other.hold(0)
    assert second.is_own
    assert second.term > first.term
    await one.resign()  # not its own any more
    assert (await other.hold(0)) == second


async def test_who_was_replaced_unnoticed_resigns_nothing(world: KubeWorld) -> None:
    clocks = Clocks()
    one, other = await contender(world, "one"), await contender(world, "other", clocks)
    await one.hold(0)
    await other.hold(0)
    clocks.move(SECONDS + 1)
    assert (await other.hold(0)).is_own
    await one.resign()
    assert (await lease_of(world))["spec"]["holderIdentity"] == "other"
