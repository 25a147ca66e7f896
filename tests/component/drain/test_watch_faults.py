"""A view survives everything that watches do: it is right again soon, and never silently old."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.component.drain import kube_objects as make
from tests.component.drain.faulty_proxy import (
    Answer,
    Before,
    Cut,
    End,
    Fault,
    GoneEvent,
    Hang,
    Stall,
)
from tests.component.drain.kube_emulator.server import KubeEmulator
from tests.component.drain.kube_world import QUICK, KubeWorld
from tests.component.drain.viewer import Viewer, pod_of
from tests.waiting import until
from whimbrel.core.errors import ErrorCode, WhimbrelError

_SHORT_SILENCE = replace(QUICK, silence_seconds=0.3)


async def sees(world: KubeWorld, viewer: Viewer, name: str) -> None:
    """A pod that is added now is seen."""
    await world.add("pods", make.pod(name))
    await viewer.wait_for(lambda view: pod_of(view, name))


@pytest.mark.parametrize(
    "fault",
    [
        Answer(410),
        GoneEvent(),
        Answer(429, retry_after=0),
        Answer(500),
        Answer(503),
        Answer(409),
        Cut(after_lines=0),
    ],
    ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'status', '')}",
)
async def test_after_a_watch_that_fails_everything_is_listed_again(
    world: KubeWorld, fault: Fault
) -> None:
    platform, _ = await world.open()
    world.proxy.spoil("watch", "pods", fault)
    async with Viewer(platform).following() as viewer:
        await until(lambda: world.proxy.asked("watch", "pods"))
        await sees(world, viewer, "access-1")
        await until(lambda: len(world.proxy.asked("list", "pods")) >= 2)
        await sees(world, viewer, "access-2")


async def test_what_happened_between_two_watches_is_found_by_the_list(world: KubeWorld) -> None:
    for name in ("access-1", "access-2"):
        await world.add("pods", make.pod(name))
    platform, _ = await world.open()
    world.proxy.spoil("watch", "pods", Cut(after_lines=1))
    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: len(view.pods) == 2)
        await world.change("pods", "access-2", {"metadata": {"annotations": {"x": "1"}}})
        await world.delete("pods", "access-1")  # this line is cut
        await world.add("pods", make.pod("access-3"))
        view = await viewer.wait_for(lambda view: pod_of(view, "access-3"))
        assert [pod.pod_id for pod in view.pods] == ["access-2", "access-3"]


async def test_a_watch_that_ends_goes_on_from_its_version_without_a_list(
    world: KubeWorld,
) -> None:
    platform, _ = await world.open()
    world.proxy.spoil("watch", "pods", End(after_lines=1))
    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: not view.pods)
        await until(lambda: world.proxy.asked("watch", "pods"))
        made = await world.add("pods", make.pod("access-1"))
        await viewer.wait_for(lambda view: view.pods)
        await until(lambda: len(world.proxy.asked("watch", "pods")) == 2)
        again = world.proxy.asked("watch", "pods")[1]
        assert again.query["resourceVersion"] == made["metadata"]["resourceVersion"]
        assert again.query["allowWatchBookmarks"] == "true"
        await sees(world, viewer, "access-2")
        assert len(world.proxy.asked("list", "pods")) == 1


async def test_a_watch_that_hangs_is_noticed_by_our_own_clock(world: KubeWorld) -> None:
    platform, _ = await world.open(policy=_SHORT_SILENCE)
    world.proxy.spoil("watch", "pods", Stall())
    async with Viewer(platform).following() as viewer:
        await until(lambda: world.proxy.asked("watch", "pods"))
        await sees(world, viewer, "access-1")
        assert len(world.proxy.asked("list", "pods")) == 1


async def test_a_watch_that_never_opens_is_noticed_by_our_own_clock(world: KubeWorld) -> None:
    platform, _ = await world.open(policy=_SHORT_SILENCE)
    world.proxy.spoil("watch", "pods", Hang())
    async with Viewer(platform).following() as viewer:
        await until(lambda: world.proxy.asked("watch", "pods"))
        await sees(world, viewer, "access-1")


async def test_a_wait_that_the_server_asks_for_is_honoured(world: KubeWorld) -> None:
    platform, _ = await world.open()
    world.proxy.spoil("watch", "pods", Answer(429, retry_after=1))
    async with Viewer(platform).following() as viewer:
        await until(lambda: world.proxy.asked("watch", "pods"))
        await world.add("pods", make.pod("access-1"))
        await viewer.wait_for(lambda view: view.pods)
        refused, listed = world.proxy.asked("watch", "pods")[0], world.proxy.asked("list", "pods")
        assert len(listed) == 2
        assert listed[1].at - refused.at >= 1


async def test_watches_that_end_at_once_are_not_asked_for_in_a_loop(world: KubeWorld) -> None:
    policy = replace(QUICK, backoff_seconds=(0.05, 0.1), brief_seconds=0.5)
    platform, _ = await world.open(policy=policy)
    world.proxy.spoil("watch", "pods", End(), times=10_000)
    async with Viewer(platform).following() as viewer:
        for number in range(3):  # lists alone still keep the view fresh
            await sees(world, viewer, f"access-{number}")
        await until(lambda: len(world.proxy.asked("list", "pods")) >= 5)
    watches = len(world.proxy.asked("watch", "pods"))
    assert watches <= len(world.proxy.asked("list", "pods"))


async def test_a_full_list_finds_what_no_watch_has_told(world: KubeWorld) -> None:
    platform, _ = await world.open(policy=replace(QUICK, relist_seconds=0.5))
    await world.add("pods", make.pod("access-1"))
    world.proxy.spoil("watch", "pods", Stall(), times=10_000)
    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: view.pods)
        await world.delete("pods", "access-1")
        await viewer.wait_for(lambda view: not view.pods)


async def test_a_view_comes_at_least_as_often_as_a_full_list(world: KubeWorld) -> None:
    platform, _ = await world.open(policy=replace(QUICK, relist_seconds=0.2))
    async with Viewer(platform).following() as viewer:
        await until(lambda: len(viewer.views) >= 4)


async def test_the_first_view_fails_at_once_when_the_server_does(world: KubeWorld) -> None:
    platform, _ = await world.open()
    world.proxy.spoil("list", "nodes", Answer(503, retry_after=3))
    async with Viewer(platform).following() as viewer:
        error = await viewer.wait_for_error()
    assert isinstance(error, WhimbrelError)
    assert error.code is ErrorCode.UNAVAILABLE
    assert error.retry_after_seconds == 3
    assert not viewer.views


async def test_a_view_that_cannot_be_kept_fresh_is_taken_away(world: KubeWorld) -> None:
    platform, _ = await world.open(policy=replace(QUICK, patience_seconds=0.3))
    world.proxy.spoil("watch", "pods", End(after_lines=0), times=10_000)
    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: not view.pods)
        world.proxy.spoil("list", "pods", Answer(500), times=10_000)
        error = await viewer.wait_for_error()
    assert isinstance(error, WhimbrelError)
    assert error.code is ErrorCode.UNAVAILABLE
    world.proxy.heal()
    async with Viewer(platform).following() as viewer:  # and whoever watches again has it
        await sees(world, viewer, "access-1")


async def test_a_bookmark_saves_the_list_that_a_compaction_would_cost(
    emulated: KubeWorld, emulator: KubeEmulator
) -> None:
    platform, _ = await emulated.open(policy=_SHORT_SILENCE)
    emulated.proxy.spoil("watch", "pods", Stall(after_lines=3))
    async with Viewer(platform).following() as viewer:
        await until(lambda: emulated.proxy.asked("watch", "pods"))
        await emulated.add("nodes", make.node("node-x"))  # only others change
        await viewer.wait_for(lambda view: not view.pods)
        emulator.store.compact()
        await until(lambda: len(emulated.proxy.asked("watch", "pods")) >= 2)
        await sees(emulated, viewer, "access-1")
        assert len(emulated.proxy.asked("list", "pods")) == 1


async def test_a_version_that_the_server_has_forgotten_costs_one_list(
    emulated: KubeWorld, emulator: KubeEmulator
) -> None:
    platform, _ = await emulated.open()

    async def forget() -> None:
        await emulated.add("pods", make.pod("access-1"))
        emulator.store.compact()

    emulated.proxy.spoil("watch", "pods", Before(forget))
    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: pod_of(view, "access-1"))
        assert emulated.proxy.asked("watch", "pods")[0].status == 410
        await sees(emulated, viewer, "access-2")
        assert len(emulated.proxy.asked("list", "pods")) == 2


async def test_a_compaction_under_a_stream_costs_one_list(
    emulated: KubeWorld, emulator: KubeEmulator
) -> None:
    platform, _ = await emulated.open()
    async with Viewer(platform).following() as viewer:
        await sees(emulated, viewer, "access-1")
        for number in (2, 3):
            await emulated.add("pods", make.pod(f"access-{number}"))
            emulator.store.compact()
        await viewer.wait_for(lambda view: len(view.pods) == 3)
        await sees(emulated, viewer, "access-4")
        assert len(emulated.proxy.asked("list", "pods")) <= 3
