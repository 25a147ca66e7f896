"""What the controller may rely on, whatever runs the pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest

from services.drain.ports import Platform, PlatformPod, PlatformView
from tests.contract.platform_worlds import PATIENCE_SECONDS, WORLDS, PlatformWorld
from whimbrel.core.errors import ErrorCode, WhimbrelError


@pytest.fixture(params=sorted(WORLDS))
async def world(request: pytest.FixtureRequest) -> AsyncIterator[PlatformWorld]:
    async with WORLDS[request.param]() as opened:
        yield opened


async def view_where(platform: Platform, holds: Callable[[PlatformView], bool]) -> PlatformView:
    """The first view for which it holds."""
    seen: PlatformView | None = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(platform.watch()) as views:  # type: ignore[type-var]
            async for view in views:
                seen = view
                if holds(view):
                    return view
    except TimeoutError:
        raise AssertionError(f"it never came to hold; the last view: {seen}") from None
    raise AssertionError("the watch has ended without an error")


def access(view: PlatformView) -> list[PlatformPod]:
    """Those that stay."""
    return [pod for pod in view.pods if pod.role == "access" and pod.deleted_in_seconds is None]


def are_ready(count: int) -> Callable[[PlatformView], bool]:
    return lambda view: len(access(view)) == count and all(pod.ready for pod in access(view))


def replicas(view: PlatformView) -> int:
    return next(one.replicas for one in view.workloads if one.role == "access")


async def test_a_watch_begins_with_the_view_as_it_is(world: PlatformWorld) -> None:
    view = await view_where(world.platform, are_ready(2))
    assert replicas(view) == 2
    revision = next(one.revision for one in view.workloads if one.role == "access")
    assert {pod.revision for pod in access(view)} == {revision}


async def test_a_watch_tells_each_change(world: PlatformWorld) -> None:
    view = await view_where(world.platform, are_ready(2))
    pod_id = access(view)[0].pod_id
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(world.platform.watch()) as views:  # type: ignore[type-var]
        await anext(views)
        await world.platform.set_deletion_cost(pod_id, -7)
        async for view in views:
            if any(pod.pod_id == pod_id and pod.deletion_cost == -7 for pod in view.pods):
                break


async def test_more_pods_come_and_are_ready(world: PlatformWorld) -> None:
    await view_where(world.platform, are_ready(2))
    await world.platform.scale("access", 3)
    await world.platform.scale("access", 3)  # safe to repeat
    assert replicas(await view_where(world.platform, are_ready(3))) == 3


async def test_the_pod_that_is_cheapest_to_lose_goes(world: PlatformWorld) -> None:
    first, second = access(await view_where(world.platform, are_ready(2)))
    await world.platform.set_deletion_cost(second.pod_id, 10)
    await world.platform.set_deletion_cost(first.pod_id, -10)
    await world.platform.scale("access", 1)
    view = await view_where(world.platform, are_ready(1))
    assert [pod.pod_id for pod in access(view)] == [second.pod_id]


async def test_a_restart_replaces_every_pod_and_is_never_short_of_one(
    world: PlatformWorld,
) -> None:
    before = await view_where(world.platform, are_ready(2))
    revision = await world.platform.restart("access", 1)
    assert revision not in {pod.revision for pod in before.pods}

    def is_done(view: PlatformView) -> bool:
        ready = sum(pod.ready for pod in view.pods if pod.role == "access")
        assert ready >= 2, view
        return are_ready(2)(view) and {pod.revision for pod in access(view)} == {revision}

    await view_where(world.platform, is_done)


async def test_a_released_pod_goes_and_another_one_comes(world: PlatformWorld) -> None:
    first, second = access(await view_where(world.platform, are_ready(2)))
    await world.want_drained(first.pod_id, True)
    await view_where(world.platform, lambda view: any(pod.drain_wanted for pod in view.pods))
    await world.platform.release(first.pod_id)
    view = await view_where(
        world.platform,
        lambda view: are_ready(2)(view) and not any(pod.drain_wanted for pod in view.pods),
    )
    assert second.pod_id in [pod.pod_id for pod in access(view)]


async def test_a_wish_to_drain_is_seen_and_can_be_taken_back(world: PlatformWorld) -> None:
    pod = access(await view_where(world.platform, are_ready(2)))[0]
    await world.want_drained(pod.pod_id, True)
    view = await view_where(world.platform, lambda view: any(one.drain_wanted for one in view.pods))
    assert [one.pod_id for one in view.pods if one.drain_wanted] == [pod.pod_id]
    await world.want_drained(pod.pod_id, False)
    await view_where(world.platform, lambda view: not any(one.drain_wanted for one in view.pods))


async def test_what_is_not_there_is_not_found(world: PlatformWorld) -> None:
    platform = world.platform
    for ask in (
        platform.scale("nobody", 1),
        platform.restart("nobody", 1),
        platform.set_deletion_cost("nobody", 1),
        platform.release("nobody"),
    ):
        with pytest.raises(WhimbrelError) as refusal:
            await ask
        assert refusal.value.code is ErrorCode.NOT_FOUND


async def test_a_broken_watch_says_so_and_the_next_one_works(world: PlatformWorld) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(world.platform.watch()) as views:  # type: ignore[type-var]
        await anext(views)
        await world.break_watches()
        with pytest.raises(WhimbrelError) as refusal:
            async for _ in views:
                pass
        assert refusal.value.code is ErrorCode.UNAVAILABLE
    await view_where(world.platform, are_ready(2))


async def test_one_leads_and_the_others_know_who(world: PlatformWorld) -> None:
    first, second = world.leadership("one"), world.leadership("two")
    own = await first.hold(0)
    assert (own.is_own, own.holder) == (True, "one")
    other = await second.hold(0)
    assert (other.is_own, other.holder, other.term) == (False, "one", own.term)
    assert await first.hold(0) == own, "a renewal is no new tenure"


async def test_who_resigns_is_followed_at_once_by_a_higher_term(world: PlatformWorld) -> None:
    first, second = world.leadership("one"), world.leadership("two")
    own = await first.hold(0)
    await second.resign()  # not its to give
    assert (await first.hold(0)).term == own.term
    await first.resign()
    taken = await second.hold(0)
    assert taken.is_own
    assert taken.term > own.term


async def test_a_lease_that_nobody_renews_is_taken(world: PlatformWorld) -> None:
    own = await world.leadership("one").hold(0)
    second = world.leadership("two")
    await second.hold(0)
    await world.let_lease_pass()
    taken = await second.hold(0)
    assert taken.is_own
    assert taken.term > own.term


async def test_a_new_tenure_is_above_what_pods_have_seen(world: PlatformWorld) -> None:
    high = 2**45
    assert (await world.leadership("one").hold(high)).term > high


async def test_a_lost_lease_does_not_lower_the_term(world: PlatformWorld) -> None:
    own = await world.leadership("one").hold(0)
    await world.lose_lease()
    assert (await world.leadership("two").hold(own.term)).term > own.term
