"""Scale, eviction and status: the parts of objects that are resources of their own."""

from __future__ import annotations

from tests.component.drain.kube_emulator.objects import ApiError, Json, Kind, ObjectStore, merge
from tests.component.drain.kube_emulator.selecting import matches


async def patch_scale(store: ObjectStore, kind: Kind, name: str, patch: Json) -> Json:
    item = store.get(kind, name)
    scale = merge(_scale_of(item), patch)
    item["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"]
    item["spec"]["replicas"] = scale["spec"]["replicas"]
    return _scale_of(await store.replace(kind, name, item))


async def patch_status(store: ObjectStore, kind: Kind, name: str, patch: Json) -> Json:
    item = store.get(kind, name)
    item["status"] = merge(item.get("status") or {}, patch.get("status") or {})
    return await store.replace(kind, name, item)


async def evict(store: ObjectStore, kind: Kind, name: str) -> Json:
    """A deletion that a PodDisruptionBudget may refuse; a pod that is going goes on."""
    pod = store.get(kind, name)
    if "deletionTimestamp" not in pod["metadata"]:
        budgets = Kind("policy", "poddisruptionbudgets", kind.namespace)
        for budget in store.all_of(budgets):
            if matches(pod, budget["spec"]["selector"]["matchLabels"]):
                await _take_from(store, budgets, budget)
        await store.delete(kind, name, None)
    return {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}}


async def _take_from(store: ObjectStore, kind: Kind, budget: Json) -> None:
    status = budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
        raise ApiError(
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget: "
            "the budget has not been computed yet",
            retry_after=10,
        )
    if status.get("disruptionsAllowed", 0) < 1:
        raise ApiError(
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        )
    status["disruptionsAllowed"] -= 1
    await store.replace(kind, budget["metadata"]["name"], budget | {"status": status})


def _scale_of(item: Json) -> Json:
    meta = item["metadata"]
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")},
        "spec": {"replicas": item["spec"].get("replicas", 1)},
        "status": {"replicas": (item.get("status") or {}).get("replicas", 0)},
    }
