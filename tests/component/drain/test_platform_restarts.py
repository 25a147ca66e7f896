"""A restart on Kubernetes is one roll-out however often it is asked for, and names the revision
that it makes."""

from __future__ import annotations

import asyncio

import pytest

from tests.component.drain import kube_objects as make
from tests.component.drain.faulty_proxy import Lost
from tests.component.drain.kube_world import KubeWorld
from tests.component.drain.restart_world import restart_after, restarted_at, roll
from whimbrel.core.errors import ErrorCode, WhimbrelError


async def test_restart_changes_the_template_sets_the_surge_and_names_the_new_revision(
    world: KubeWorld,
) -> None:
    owner = await world.add("deployments", make.deployment("whimbrel-access"))
    await world.add("replicasets", make.replica_set(owner, "r1", number=1))
    platform, _ = await world.open()
    rolling = asyncio.create_task(roll(world, "r2", 2))
    assert await platform.restart("access", 2) == "r2"
    await rolling
    strategy = (await world.get("deployments", "whimbrel-access"))["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 2, "maxUnavailable": 0}


async def test_a_restart_without_a_surge_keeps_the_deployments_own(world: KubeWorld) -> None:
    await world.add("deployments", make.deployment("whimbrel-access"))
    platform, _ = await world.open()
    rolling = asyncio.create_task(roll(world, "r2", 1))
    await platform.restart("access", 0)
    await rolling
    strategy = (await world.get("deployments", "whimbrel-access"))["spec"]["strategy"]
    assert strategy["rollingUpdate"]["maxSurge"] == "25%"


async def test_a_restart_asked_for_twice_at_once_is_one(world: KubeWorld) -> None:
    await world.add("deployments", make.deployment("whimbrel-access"))
    platform, _ = await world.open()
    rolling = asyncio.create_task(roll(world, "r2", 1))
    first, second = await asyncio.gather(
        platform.restart("access", 1), platform.restart("access", 1)
    )
    await rolling
    assert (first, second) == ("r2", "r2")
    done = [each for each in world.proxy.asked("patch", "deployments") if each.status == 200]
    assert len(done) == 1


async def test_a_restart_whose_answer_was_lost_is_not_begun_again(world: KubeWorld) -> None:
    await world.add("deployments", make.deployment("whimbrel-access"))
    platform, _ = await world.open()
    world.proxy.spoil("patch", "deployments", Lost())
    with pytest.raises(WhimbrelError) as lost:
        await platform.restart("access", 1)
    assert lost.value.code is ErrorCode.UNAVAILABLE
    assert lost.value.outcome_unknown
    begun = await restarted_at(world)
    rolling = asyncio.create_task(roll(world, "r2", 1))
    assert await platform.restart("access", 1) == "r2"
    await rolling
    assert await restarted_at(world) == begun


async def test_a_restart_after_one_that_is_done_is_a_new_one(world: KubeWorld) -> None:
    await world.add("deployments", make.deployment("whimbrel-access", replicas=3))
    now = [1_800_000_000.0]
    platform, _ = await world.open(wall_clock=lambda: now[0])
    rolling = asyncio.create_task(roll(world, "r2", 1))
    await platform.restart("access", 0)
    await rolling
    first = await restarted_at(world)
    generation = (await world.get("deployments", "whimbrel-access"))["metadata"]["generation"]
    done = {"observedGeneration": generation, "replicas": 3, "updatedReplicas": 3}
    await world.change("deployments/status", "whimbrel-access", {"status": done})
    now[0] += 5
    again = asyncio.create_task(platform.restart("access", 0))
    assert await restart_after(world, first)
    again.cancel()  # it waits for a ReplicaSet that nobody makes
    await asyncio.gather(again, return_exceptions=True)
