"""A real Deployment of Access is rolled by Kubernetes' own controllers while people talk.

The pods are processes of a process kubelet; MongoDB, Redis, Router and Logic are a local stack's.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.component.drain import kube_objects as make
from tests.component.drain.envtest import PROGRAMS, missing_assets, real_api_server
from tests.component.drain.envtest_controllers import CONTROLLERS, real_controllers
from tests.component.drain.kube_world import ApiServer, Json, KubeWorld, kube_world
from tests.component.drain.process_kubelet import ProcessKubelet
from tests.component.drain.viewer import Viewer
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.crowd import Crowd

pytestmark = pytest.mark.timeout(300)

REPLICAS = 2


@pytest.fixture
def controlled_server(tmp_path: Path) -> Iterator[ApiServer]:
    """One of its own: what other tests leave behind would be rolled and scheduled here too."""
    if reason := missing_assets((*PROGRAMS, *CONTROLLERS)):
        pytest.skip(reason)
    with real_api_server(tmp_path) as server, real_controllers(server, tmp_path):
        yield server


def access_deployment(stack: Stack) -> Json:
    """As the manifests have it, as far as a process has a use for it."""
    deployment = make.deployment("whimbrel-access", replicas=REPLICAS)
    values = {
        "WHIMBREL_ROUTER__ADDRESSES": stack.router_addresses,
        "WHIMBREL_AUTH__KEYS_FILE": str(stack.folder.keys_file),
        "WHIMBREL_AUTH__POD_SECRET_FILE": str(stack.folder.token_key),
        "WHIMBREL_MONGO__URL": stack.mongo_url,
        "WHIMBREL_REDIS__URL": stack.redis_url,
    }
    deployment["spec"]["template"]["spec"] = {
        "terminationGracePeriodSeconds": 30,
        "containers": [
            {
                "name": "access",
                "image": "whimbrel:test",
                "command": [sys.executable, "-m", "services.access"],
                "env": [{"name": name, "value": value} for name, value in values.items()],
            }
        ],
    }
    return deployment


async def remove(world: KubeWorld, viewer: Viewer) -> None:
    """By the Deployment: its controller removes what it has made."""
    await world.change("deployments", "whimbrel-access", {"spec": {"replicas": 0}})
    await viewer.wait_for(lambda view: not view.pods, 60)
    await world.delete("deployments", "whimbrel-access")


async def test_a_rolling_restart_of_a_real_deployment_loses_nothing(
    controlled_server: ApiServer, tmp_path: Path
) -> None:
    async with (
        Stack.start(StackSpec(logic=1, push=0)) as stack,
        kube_world(controlled_server, tmp_path) as world,
        ProcessKubelet(world, f"node-{world.namespace}", tmp_path).running() as kubelet,
    ):
        await world.add("deployments", access_deployment(stack))
        platform, _ = await world.open()
        async with Viewer(platform).following() as viewer:
            view = await viewer.wait_for(
                lambda view: sum(pod.ready for pod in view.pods) == REPLICAS, 60
            )
            old = {pod.pod_id for pod in view.pods}
            before = view.workloads[0].revision
            endpoints = [kubelet.addresses[name] for name in sorted(old)]
            users = [f"user-{number}" for number in range(20)]
            async with Crowd(users, endpoints, stack.token, seed=5) as crowd:
                talking = asyncio.create_task(crowd.talk(600, at_once=4))
                revision = await platform.restart("access", 1)
                assert revision not in (before, "pending")
                await viewer.wait_for(
                    lambda view: (
                        [pod.revision for pod in view.pods] == [revision] * REPLICAS
                        and all(pod.ready for pod in view.pods)
                    ),
                    120,
                )
                await talking
                await crowd.wait_delivered(30)
                verdict = crowd.history.verdict()
            assert verdict.accepted == 600
            assert verdict.violations == 0, verdict
            # Ended by SIGTERM and by themselves, within their grace.
            assert {kubelet.ends[name] for name in old} == {0}
            # maxUnavailable 0: from the first time on, enough of those that stay were ready.
            staying = [
                sum(pod.ready and pod.deleted_in_seconds is None for pod in view.pods)
                for view in viewer.views
            ]
            assert min(staying[staying.index(REPLICAS) :]) >= REPLICAS
            await remove(world, viewer)
