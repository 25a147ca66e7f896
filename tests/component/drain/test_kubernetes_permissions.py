"""The controller needs what it lists, all of it, and nothing else; and it starts with a reason
when it has no credentials."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.drain.adapters.kubernetes_permissions import PERMISSIONS
from services.drain.adapters.open_kubernetes import open_kubernetes
from tests.component.drain import kube_objects as make
from tests.component.drain.faulty_proxy import Answer
from tests.component.drain.kube_world import KubeWorld
from tests.component.drain.restart_world import roll
from tests.component.drain.viewer import Viewer
from tests.waiting import until
from whimbrel.core.errors import ErrorCode, WhimbrelError


async def test_every_permission_is_used_and_no_other_call_is_made(world: KubeWorld) -> None:
    await world.add("deployments", make.deployment("whimbrel-access"))
    await world.add("pods", make.pod("access-1"))
    platform, leadership = await world.open()
    watched = ("pods", "nodes", "deployments", "replicasets")
    async with Viewer(platform).following() as viewer:
        await viewer.wait_for(lambda view: view.pods)
        await until(lambda: all(world.proxy.asked("watch", kind) for kind in watched))
    await platform.scale("access", 4)
    await asyncio.gather(platform.restart("access", 1), roll(world, "r2", 1))
    await platform.set_deletion_cost("access-1", 1)
    await platform.release("access-1")
    for _ in range(2):
        await leadership.hold(0)
    await leadership.resign()

    assert {
        (each.asked.api_group, each.asked.rbac_resource, each.asked.verb)
        for each in world.proxy.log
    } == {(each.api_group, each.resource, verb) for each in PERMISSIONS for verb in each.verbs}
    outside = {each.asked.resource for each in world.proxy.log if not each.asked.namespace}
    assert outside == {each.resource for each in PERMISSIONS if not each.is_namespaced}


async def test_what_the_controller_may_not_is_said_to_whoever_asked_for_it(
    world: KubeWorld,
) -> None:
    await world.add("pods", make.pod("access-1"))
    platform, _ = await world.open()
    world.proxy.spoil("patch", "pods", Answer(403, retry_after=7))
    with pytest.raises(WhimbrelError, match="Kubernetes answered 403") as refused:
        await platform.set_deletion_cost("access-1", 1)
    assert refused.value.code is ErrorCode.PERMISSION_DENIED
    assert refused.value.retry_after_seconds == 7


@pytest.mark.parametrize("kubeconfig", [None, Path("no-such-file")], ids=["in-cluster", "file"])
async def test_without_credentials_it_says_where_it_looked(
    kubeconfig: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    async with AsyncExitStack() as stack:
        with pytest.raises(WhimbrelError, match="no credentials") as refused:
            await open_kubernetes(
                stack,
                namespace="whimbrel",
                lease_name="whimbrel-drain",
                holder="one",
                lease_seconds=15,
                kubeconfig=kubeconfig,
            )
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT


def test_the_client_is_not_imported_before_it_is_needed() -> None:
    """It costs 46 MB: neither the other services nor the local platform pay for it."""
    program = (
        "import sys, services.drain.ports, services.access.bootstrap, whimbrel.local.stack;"
        "from services.drain.adapters import kubernetes_permissions;"
        "assert 'kubernetes' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
