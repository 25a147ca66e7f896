"""What the manifests say, asked for by the tests: pods, their environment, who may reach whom."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from tests.k8s.kustomization import Object, render
from whimbrel.runtime.serve import ServiceSpec
from whimbrel.runtime.settings import ServiceSettings
from whimbrel.runtime.settings_loading import load_settings

ROOT: Final = Path(__file__).resolve().parents[2]
K8S: Final = ROOT / "k8s"
OVERLAYS: Final = tuple(sorted(path.name for path in (K8S / "overlays").iterdir()))
ROLES: Final = ("access", "drain", "gateway", "logic", "push", "router")

_FIELDS: Final = {
    "metadata.name": "access-7d9f8b6c5d-x2x4z",
    "metadata.namespace": "whimbrel",
    "metadata.labels['pod-template-hash']": "7d9f8b6c5d",
    "metadata.labels['topology.kubernetes.io/zone']": "zone-a",
    "spec.nodeName": "node-1",
    "status.hostIP": "192.0.2.1",
    "status.podIP": "10.1.2.3",
}
_SECRETS: Final = {
    ("whimbrel-stores", "mongo-url"): "mongodb://mongo.example.org/?replicaSet=rs0",
    ("whimbrel-stores", "redis-url"): "redis://redis.example.org:6379",
    ("whimbrel-media", "access-key-id"): "an id",
    ("whimbrel-media", "secret-access-key"): "a key",
}
_REFERENCE: Final = re.compile(r"\$\((\w+)\)")


@dataclass(frozen=True)
class Workload:
    """An object that makes pods, and the pods that it makes."""

    kind: str
    name: str
    spec: Object
    pod: Object
    labels: dict[str, str]

    @property
    def container(self) -> Object:
        """The only one."""
        (container,) = self.pod["containers"]
        return dict(container)

    @property
    def ports(self) -> dict[str, int]:
        """Of the container, by name."""
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", ())}


class Manifests:
    """The objects of one kustomization."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects

    def of(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        """A certain object."""
        (found,) = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        return found

    @property
    def workloads(self) -> list[Workload]:
        """Everything that makes pods."""
        found = []
        for each in self.objects:
            template = each.get("spec", {}).get("template")
            if template is not None:
                labels = template["metadata"]["labels"]
                name = each["metadata"]["name"]
                found.append(Workload(each["kind"], name, each["spec"], template["spec"], labels))
        return found

    def workload(self, name: str) -> Workload:
        """A certain one."""
        (found,) = [each for each in self.workloads if each.name == name]
        return found

    def environment(self, workload: Workload) -> dict[str, str]:
        """What a container finds in its environment; references are resolved as the kubelet
        does: to variables that stand before, and left as they are otherwise."""
        found: dict[str, str] = {}
        for source in workload.container.get("envFrom", ()):
            found |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        for entry in workload.container.get("env", ()):
            found[entry["name"]] = _value(entry, found)
        return found

    def reaches(self, source: Workload, target: Workload) -> set[int]:
        """The ports of `target` that the network policies let `source` reach."""
        outgoing = self._rules(source, "egress", target)
        incoming = self._rules(target, "ingress", source)
        return {port for port in target.ports.values() if port in outgoing and port in incoming}

    def _rules(self, subject: Workload, direction: str, peer: Workload) -> set[int]:
        ports: set[int] = set()
        for policy in self.of("NetworkPolicy"):
            if selects(policy["spec"]["podSelector"], subject.labels):
                for rule in policy["spec"].get(direction, ()):
                    peers = rule.get("to" if direction == "egress" else "from")
                    if peers is None or any(_is_peer(each, peer) for each in peers):
                        ports |= {port["port"] for port in rule["ports"]}
        return ports


def _value(entry: Object, before: dict[str, str]) -> str:
    source = entry.get("valueFrom")
    if source is None:
        text = str(entry["value"])
        return _REFERENCE.sub(lambda found: before.get(found[1], found[0]), text)
    if "fieldRef" in source:
        return _FIELDS[source["fieldRef"]["fieldPath"]]
    secret = source["secretKeyRef"]
    return _SECRETS[secret["name"], secret["key"]]


def _is_peer(peer: Object, workload: Workload) -> bool:
    """Whether a peer of a rule, in this namespace, means the pods of a workload."""
    if set(peer) != {"podSelector"}:
        return False  # another namespace, or addresses outside of the cluster
    return selects(peer["podSelector"], workload.labels)


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector (of policies, budgets, constraints) means these labels."""
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


@cache
def overlay(name: str) -> Manifests:
    """An overlay as our own renderer makes it; nobody changes it."""
    return Manifests(render(K8S / "overlays" / name))


@cache
def with_component(name: str) -> Manifests:
    """The base with one component."""
    return Manifests(render(K8S / "base", components=(COMPONENT_FOLDERS[name],)))


COMPONENT_FOLDERS: Final = {
    path.name: path for path in (*(K8S / "components").iterdir(), K8S / "observability")
}
COMPONENTS: Final = tuple(sorted(COMPONENT_FOLDERS))
VARIANTS: Final = (*OVERLAYS, *COMPONENTS)


def variant(name: str) -> Manifests:
    """Anything that can be deployed: an overlay, or the base with one component."""
    return overlay(name) if name in OVERLAYS else with_component(name)


def settings_of(
    manifests: Manifests, role: str, monkeypatch: pytest.MonkeyPatch
) -> ServiceSettings:
    """The settings that a pod of this role comes to."""
    for name in os.environ:
        if name.startswith("WHIMBREL_"):
            monkeypatch.delenv(name)
    for name, value in manifests.environment(manifests.workload(role)).items():
        monkeypatch.setenv(name, value)
    spec: ServiceSpec[Any] = import_module(f"services.{role}.bootstrap").SERVICE
    settings: ServiceSettings = load_settings(spec.settings_class)
    return settings
