"""What the Kubernetes platform shows: pods, nodes and workloads as they are."""

from __future__ import annotations

import time

from tests.component.drain import kube_objects as make
from tests.component.drain.kube_world import KubeWorld
from tests.component.drain.viewer import Viewer, pod_of


async def test_a_pod_is_shown_with_its_role_revision_node_zone_and_readiness(
    world: KubeWorld,
) -> None:
    node = f"node-{world.namespace}"
    await world.add("nodes", make.node(node, zone="zone-a"))
    await world.add("pods", make.pod("access-1", node=node, revision="r7"), make.ready())
    platform, _ = await world.open()
    async with Viewer(platform).following() as viewer:
        view = await viewer.wait_for(lambda view: pod_of(view, "access-1"))
        pod = pod_of(view, "access-1")
        assert pod is not None
        assert (pod.role, pod.revision, pod.node, pod.zone) == ("access", "r7", node, "zone-a")
        assert pod.ready
        assert pod.deleted_in_seconds is None
        assert not pod.drain_wanted
        assert pod.deletion_cost == 0

        await world.change("pods/status", "access-1", make.ready(False))
        await viewer.wait_for(lambda view: not pod_of(view, "access-1").ready)  # type: ignore[union-attr]


async def test_pods_of_others_and_pods_that_have_ended_are_not_shown(world: KubeWorld) -> None:
    stranger = make.pod("stranger")
    stranger["metadata"]["labels"] = {"app": "other"}
    await world.add("pods", stranger)
    await world.add("pods", make.pod("over"), {"status": {"phase": "Failed"}})
    await world.add("pods", make.pod("access-1"))
    platform, _ = await world.open()
    async with Viewer(platform).following() as viewer:
        view = await viewer.wait_for(lambda view: view.pods)
        assert [pod.pod_id for pod in view.pods] == ["access-1"]


async def test_a_deleted_pod_says_in_how_many_seconds_it_is_killed(world: KubeWorld) -> None:
    await world.add("pods", make.pod("access-1", node="node-x", grace_seconds=40))
    platform, _ = await world.open(wall_clock=time.time)
    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: pod_of(view, "access-1"))
        await world.delete("pods", "access-1")
        view = await viewer.wait_for(
            lambda view: pod_of(view, "access-1").deleted_in_seconds is not None  # type: ignore[union-attr]
        )
        left = pod_of(view, "access-1").deleted_in_seconds  # type: ignore[union-attr]
        assert left is not None
        assert 20 < left <= 40.5  # not 0, which is what the moment of the deletion would give
        await world.delete("pods", "access-1", at_once=True)
        await viewer.wait_for(lambda view: not view.pods)


async def test_the_annotation_asks_for_a_drain_and_no_longer_when_it_is_taken_away(
    world: KubeWorld,
) -> None:
    await world.add("pods", make.pod("access-1", annotations={"whimbrel.io/drain": "true"}))
    platform, _ = await world.open()
    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: view.pods and view.pods[0].drain_wanted)
        for value in ("false", None):
            patch = {"metadata": {"annotations": {"whimbrel.io/drain": value}}}
            await world.change("pods", "access-1", patch)
            await viewer.wait_for(lambda view: not view.pods[0].drain_wanted)


async def test_a_cordoned_node_asks_for_a_drain_of_its_pods_only(world: KubeWorld) -> None:
    one, other = (f"{name}-{world.namespace}" for name in ("one", "other"))
    for node in (one, other):
        await world.add("nodes", make.node(node))
        await world.add("pods", make.pod(f"on-{node}", node=node))
    platform, _ = await world.open()
    async with Viewer(platform).following() as viewer:
        view = await viewer.wait_for(lambda view: len(view.pods) == 2)
        assert not any(pod.drain_wanted for pod in view.pods)
        await world.change("nodes", one, {"spec": {"unschedulable": True}})
        view = await viewer.wait_for(lambda view: any(pod.drain_wanted for pod in view.pods))
        assert [pod.node for pod in view.pods if pod.drain_wanted] == [one]
        await world.change("nodes", one, {"spec": {"unschedulable": None}})
        await viewer.wait_for(lambda view: not any(pod.drain_wanted for pod in view.pods))


async def test_a_taint_asks_for_a_drain_unless_the_pod_tolerates_it(world: KubeWorld) -> None:
    node = f"node-{world.namespace}"
    await world.add("nodes", make.node(node))
    pool = {"key": "pool", "operator": "Equal", "value": "whimbrel", "effect": "NoSchedule"}
    await world.add("pods", make.pod("tolerant", node=node, tolerations=[pool]))
    await world.add("pods", make.pod("plain", node=node))
    platform, _ = await world.open()

    async def taint(key: str, value: str = "whimbrel", effect: str = "NoSchedule") -> None:
        taints = [{"key": key, "value": value, "effect": effect}]
        await world.change("nodes", node, {"spec": {"taints": taints}})

    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: len(view.pods) == 2)
        for key, effect, wanted in (
            ("pool", "NoSchedule", ["plain"]),
            ("ToBeDeletedByAutoscaler", "NoSchedule", ["plain", "tolerant"]),
            # The node's health is nobody's wish, and a preference is none.
            ("node.kubernetes.io/memory-pressure", "NoSchedule", []),
            ("maintenance", "NoExecute", ["plain", "tolerant"]),
            ("maintenance", "PreferNoSchedule", []),
        ):
            await taint(key, effect=effect)
            await viewer.wait_for(
                lambda view, wanted=wanted: (  # type: ignore[misc]
                    [pod.pod_id for pod in view.pods if pod.drain_wanted] == wanted
                )
            )


async def test_a_workload_has_the_replicas_that_are_wanted_and_the_newest_revision(
    world: KubeWorld,
) -> None:
    owner = await world.add("deployments", make.deployment("whimbrel-access", replicas=3))
    await world.add("replicasets", make.replica_set(owner, "r1", number=1))
    await world.add("replicasets", make.replica_set(owner, "r2", number=2))
    platform, _ = await world.open()
    async with Viewer(platform).following() as viewer:
        view = await viewer.wait_for(lambda view: view.workloads)
        (workload,) = view.workloads
        assert (workload.role, workload.replicas, workload.revision) == ("access", 3, "r2")
        # A rollback gives the old ReplicaSet the next number.
        number = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "3"}}}
        await world.change("replicasets", "whimbrel-access-r1", number)
        await viewer.wait_for(lambda view: view.workloads[0].revision == "r1")
        await world.change("deployments", "whimbrel-access", {"spec": {"replicas": 5}})
        await viewer.wait_for(lambda view: view.workloads[0].replicas == 5)


async def test_a_change_that_means_nothing_to_us_brings_no_view(world: KubeWorld) -> None:
    await world.add("pods", make.pod("access-1"))
    platform, _ = await world.open()
    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: view.pods)
        seen = len(viewer.views)
        await world.change("pods", "access-1", {"metadata": {"annotations": {"other": "x"}}})
        await world.add("pods", make.pod("access-2"))
        await viewer.wait_for(lambda view: len(view.pods) == 2)
        assert len(viewer.views) == seen + 1
