"""What the controller changes on Kubernetes: scale, restart, deletion cost, release."""

from __future__ import annotations

import asyncio

import pytest

from tests.component.drain import kube_objects as make
from tests.component.drain.faulty_proxy import Answer, Before, Hang, Lost
from tests.component.drain.kube_world import KubeWorld
from tests.waiting import until
from whimbrel.core.errors import ErrorCode, WhimbrelError

RESTARTED = "kubectl.kubernetes.io/restartedAt"


async def wanted(world: KubeWorld) -> int:
    replicas: int = (await world.get("deployments", "whimbrel-access"))["spec"]["replicas"]
    return replicas


async def restarted_at(world: KubeWorld) -> str | None:
    deployment = await world.get("deployments", "whimbrel-access")
    notes = deployment["spec"]["template"]["metadata"].get("annotations") or {}
    found: str | None = notes.get(RESTARTED)
    return found


async def roll(world: KubeWorld, revision: str, number: int) -> None:
    """What the Deployment controller does first: a ReplicaSet of the new template."""
    stamp = await restart_after(world, None)
    owner = await world.get("deployments", "whimbrel-access")
    made = make.replica_set(owner, revision, number=number, restarted_at=stamp)
    await world.add("replicasets", made)


async def restart_after(world: KubeWorld, before: str | None) -> str | None:
    """The template's restart as soon as it is another one."""

    async def is_another() -> bool:
        return await restarted_at(world) != before

    await until(is_another)
    return await restarted_at(world)


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
