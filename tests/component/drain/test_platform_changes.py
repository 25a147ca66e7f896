"""What the controller changes on Kubernetes, but for restarts: scale, deletion cost, release."""

from __future__ import annotations

import asyncio

import pytest

from tests.component.drain import kube_objects as make
from tests.component.drain.faulty_proxy import Answer, Before, Hang
from tests.component.drain.kube_world import KubeWorld
from whimbrel.core.errors import ErrorCode, WhimbrelError


async def wanted(world: KubeWorld) -> int:
    replicas: int = (await world.get("deployments", "whimbrel-access"))["spec"]["replicas"]
    return replicas


async def test_scale_sets_the_number_and_may_be_repeated(world: KubeWorld) -> None:
    await world.add("deployments", make.deployment("whimbrel-access", replicas=3))
    platform, _ = await world.open()
    for _ in range(2):
        await platform.scale("access", 5)
        assert await wanted(world) == 5
    assert len(world.proxy.asked("patch", "deployments/scale")) == 1


async def test_scale_reads_again_when_the_deployment_has_changed_in_between(
    world: KubeWorld,
) -> None:
    await world.add("deployments", make.deployment("whimbrel-access", replicas=3))
    platform, _ = await world.open()

    async def somebody_scales() -> None:
        await world.change("deployments", "whimbrel-access", {"spec": {"replicas": 7}})

    world.proxy.spoil("patch", "deployments/scale", Before(somebody_scales))
    await platform.scale("access", 5)
    assert [each.status for each in world.proxy.asked("patch", "deployments/scale")] == [409, 200]
    assert await wanted(world) == 5


async def test_scale_gives_up_on_a_deployment_that_never_stands_still(world: KubeWorld) -> None:
    await world.add("deployments", make.deployment("whimbrel-access"))
    platform, _ = await world.open()
    world.proxy.spoil("patch", "deployments/scale", Answer(409), times=100)
    with pytest.raises(WhimbrelError) as refused:
        await platform.scale("access", 5)
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert len(world.proxy.asked("patch", "deployments/scale")) <= 10


async def test_scale_leaves_alone_what_an_autoscaler_owns(world: KubeWorld) -> None:
    await world.add("deployments", make.deployment("whimbrel-access", replicas=3))
    other = make.autoscaler("other", "whimbrel-logic")
    await world.add("horizontalpodautoscalers", other)
    platform, _ = await world.open()
    await platform.scale("access", 4)
    own = make.autoscaler("access", "whimbrel-access")
    await world.add("horizontalpodautoscalers", own)
    with pytest.raises(WhimbrelError) as refused:
        await platform.scale("access", 5)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
    assert "HorizontalPodAutoscaler access owns" in refused.value.detail
    assert await wanted(world) == 4


@pytest.mark.parametrize("role", ["logic", "a=b,c", "access,app=other", "../nodes", ""])
async def test_a_role_that_nothing_has_is_not_found(world: KubeWorld, role: str) -> None:
    await world.add("deployments", make.deployment("whimbrel-access"))
    platform, _ = await world.open()
    for change in (platform.scale(role, 1), platform.restart(role, 1)):
        with pytest.raises(WhimbrelError) as refused:
            await change
        assert refused.value.code is ErrorCode.NOT_FOUND


async def test_a_role_of_two_deployments_is_refused(world: KubeWorld) -> None:
    for name in ("whimbrel-access", "whimbrel-access-canary"):
        await world.add("deployments", make.deployment(name))
    platform, _ = await world.open()
    with pytest.raises(WhimbrelError, match="whimbrel-access-canary") as refused:
        await platform.scale("access", 5)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT


async def test_the_deletion_cost_is_written_and_shown(world: KubeWorld) -> None:
    await world.add("pods", make.pod("access-1"))
    platform, _ = await world.open()
    for cost in (-100, -100, 7):
        await platform.set_deletion_cost("access-1", cost)
        notes = (await world.get("pods", "access-1"))["metadata"]["annotations"]
        assert notes["controller.kubernetes.io/pod-deletion-cost"] == str(cost)


@pytest.mark.parametrize("pod_id", ["access-9", "../access-1", "access-1/eviction", ".", ""])
async def test_a_pod_that_is_not_there_is_not_found(world: KubeWorld, pod_id: str) -> None:
    await world.add("pods", make.pod("access-1"))
    platform, _ = await world.open()
    for change in (platform.set_deletion_cost(pod_id, 1), platform.release(pod_id)):
        with pytest.raises(WhimbrelError) as refused:
            await change
        assert refused.value.code is ErrorCode.NOT_FOUND


async def test_release_removes_the_pod_with_its_grace_and_may_be_repeated(
    world: KubeWorld,
) -> None:
    await world.add("pods", make.pod("access-1", node="node-x"), make.ready())
    platform, _ = await world.open()
    for _ in range(2):
        await platform.release("access-1")
        assert (await world.get("pods", "access-1"))["metadata"]["deletionTimestamp"]
    await world.delete("pods", "access-1", at_once=True)


async def test_release_waits_for_the_disruption_budget(world: KubeWorld) -> None:
    await world.add("pods", make.pod("access-1", node="node-x"), make.ready())
    await world.add("poddisruptionbudgets", make.budget("access"), make.disruptions(0))
    platform, _ = await world.open()
    with pytest.raises(WhimbrelError, match="PodDisruptionBudget") as refused:
        await platform.release("access-1")
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert refused.value.retry_after_seconds == 5
    assert "deletionTimestamp" not in (await world.get("pods", "access-1"))["metadata"]

    await world.change("poddisruptionbudgets/status", "access", make.disruptions(1))
    await platform.release("access-1")
    assert (await world.get("pods", "access-1"))["metadata"]["deletionTimestamp"]
    await world.delete("pods", "access-1", at_once=True)


async def test_release_honours_the_wait_that_a_new_budget_asks_for(world: KubeWorld) -> None:
    await world.add("pods", make.pod("access-1", node="node-x"), make.ready())
    await world.add("poddisruptionbudgets", make.budget("access"))
    platform, _ = await world.open()
    with pytest.raises(WhimbrelError) as refused:
        await platform.release("access-1")
    assert refused.value.retry_after_seconds == 10
    await world.delete("pods", "access-1", at_once=True)


@pytest.mark.parametrize("status", [429, 500, 503, 401])
async def test_a_server_that_cannot_now_is_unavailable(world: KubeWorld, status: int) -> None:
    await world.add("pods", make.pod("access-1"))
    platform, _ = await world.open()
    world.proxy.spoil("patch", "pods", Answer(status, retry_after=7))
    with pytest.raises(WhimbrelError) as refused:
        await platform.set_deletion_cost("access-1", 1)
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert refused.value.retry_after_seconds == 7


async def test_a_call_that_hangs_ends_by_our_own_clock(world: KubeWorld) -> None:
    await world.add("pods", make.pod("access-1"))
    platform, _ = await world.open(timeout_seconds=0.2)
    world.proxy.spoil("patch", "pods", Hang())
    async with asyncio.timeout(5):
        with pytest.raises(WhimbrelError) as hung:
            await platform.set_deletion_cost("access-1", 1)
    assert hung.value.code is ErrorCode.UNAVAILABLE
    assert hung.value.outcome_unknown
