"""A small renderer of kustomizations, for machines without kustomize.

It knows what k8s/ uses and refuses everything else: resources, components, namespace, images
(newName, newTag), replicas, and patches from files, as strategic merge by name or as JSON patch
by kind and label. `test_the_renderer_agrees_with_kustomize` compares it with the real one
wherever that is on the PATH.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

Object = dict[str, Any]

CLUSTER_KINDS: Final = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
_KNOWN: Final = {
    *("apiVersion", "kind", "resources", "components", "namespace", "images", "replicas"),
    "patches",
}
_MERGE_KEYS: Final = {
    "containers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumes": "name",
}


class UnknownFeatureError(Exception):
    """A kustomization uses something that this renderer does not know."""


def documents(path: Path) -> list[Any]:
    """The YAML documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def render(folder: Path, components: tuple[Path, ...] = ()) -> list[Object]:
    """Every object of a kustomization, with these components on top."""
    objects = _build(folder, [])
    for component in components:
        objects = _build(component, objects)
    return objects


def _build(folder: Path, objects: list[Object]) -> list[Object]:
    """What a kustomization makes of its own resources and of those that it is given."""
    (kustomization,) = documents(folder / "kustomization.yaml")
    if unknown := set(kustomization) - _KNOWN:
        raise UnknownFeatureError(f"{folder}: {sorted(unknown)}")
    for entry in kustomization.get("resources", ()):
        path = folder / entry
        objects += render(path) if path.is_dir() else documents(path)
    for entry in kustomization.get("components", ()):
        objects = _build(folder / entry, objects)
    for patch in kustomization.get("patches", ()):
        _apply(folder, patch, objects)
    for replicas in kustomization.get("replicas", ()):
        _one(objects, "Deployment", replicas["name"])["spec"]["replicas"] = replicas["count"]
    for image in kustomization.get("images", ()):
        _set_image(objects, image)
    if namespace := kustomization.get("namespace"):
        _namespaced(objects, namespace)
    return objects


def _namespaced(objects: list[Object], namespace: str) -> None:
    for each in objects:
        if each["kind"] not in CLUSTER_KINDS:
            each["metadata"]["namespace"] = namespace


def _one(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return found


def _set_image(objects: list[Object], image: dict[str, str]) -> None:
    if unknown := set(image) - {"name", "newName", "newTag"}:
        raise UnknownFeatureError(f"images: {sorted(unknown)}")
    for container in _containers(objects):
        name, _, tag = container["image"].partition(":")
        if name == image["name"]:
            name, tag = image.get("newName", name), image.get("newTag", tag)
            container["image"] = f"{name}:{tag}" if tag else name


def _containers(objects: list[Object]) -> Iterator[Object]:
    for each in objects:
        template = each.get("spec", {}).get("template") or {}
        yield from template.get("spec", {}).get("containers", ())


def _apply(folder: Path, patch: dict[str, Any], objects: list[Object]) -> None:
    content = documents(folder / patch["path"])
    if "target" not in patch:
        for change in content:
            target = _one(objects, change["kind"], change["metadata"]["name"])
            target.update(_merged(target, change))
        return
    wanted = dict(patch["target"])
    kind = wanted.pop("kind")
    label, _, value = wanted.pop("labelSelector").partition("=")
    if wanted:
        raise UnknownFeatureError(f"a patch's target: {sorted(wanted)}")
    for each in objects:
        if each["kind"] == kind and each["metadata"].get("labels", {}).get(label) == value:
            for operation in content[0]:
                _operate(each, operation)


def _operate(target: Any, operation: dict[str, Any]) -> None:
    """One add or replace of a JSON patch, in a mapping."""
    *way, last = operation["path"].strip("/").split("/")
    for step in way:
        target = target[int(step) if isinstance(target, list) else step]
    if operation["op"] not in ("add", "replace") or not isinstance(target, dict):
        raise UnknownFeatureError(f"a JSON patch: {operation}")
    if operation["op"] == "replace" and last not in target:
        raise KeyError(operation["path"])
    target[last] = copy.deepcopy(operation["value"])


def _merged(old: Any, new: Any, field: str = "") -> Any:
    """Strategic merge: mappings merge, lists of named things merge by name with those of the
    patch first, in its order (so that a variable may be used in those that follow), everything
    else is replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        if any(name.startswith("$") or value is None for name, value in new.items()):
            raise UnknownFeatureError("deleting in a patch")
        return {**old, **{name: _merged(old.get(name), new[name], name) for name in new}}
    key = _MERGE_KEYS.get(field)
    if isinstance(old, list) and isinstance(new, list) and key is not None:
        before = {item[key]: item for item in old}
        changed = [_merged(before.pop(item[key], {}), item) for item in new]
        return [*changed, *before.values()]
    return copy.deepcopy(new)
