"""A Deployment that is restarted, and what the Deployment controller would do then."""

from __future__ import annotations

from tests.component.drain import kube_objects as make
from tests.component.drain.kube_world import KubeWorld
from tests.waiting import until

RESTARTED = "kubectl.kubernetes.io/restartedAt"


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
