"""The controller may do what its code does, and nothing more."""

from __future__ import annotations

import pytest

from tests.k8s.manifests import VARIANTS, Manifests, variant

Calls = set[tuple[str, str, str]]


def granted(manifests: Manifests, kind: str) -> Calls:
    """(API group, resource, verb) of every Role, or of every ClusterRole."""
    return {
        (group, resource, verb)
        for role in manifests.of(kind)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_the_controller_may_do_exactly_what_its_code_does(name: str) -> None:
    module = pytest.importorskip("services.drain.adapters.kubernetes_permissions")
    for kind, is_namespaced in (("Role", True), ("ClusterRole", False)):
        used = {
            (each.api_group, each.resource, verb)
            for each in module.PERMISSIONS
            if each.is_namespaced is is_namespaced
            for verb in each.verbs
        }
        assert granted(variant(name), kind) == used


@pytest.mark.parametrize("name", VARIANTS)
def test_no_rule_has_a_wildcard_or_touches_secrets(name: str) -> None:
    for kind in ("Role", "ClusterRole"):
        for group, resource, verb in granted(variant(name), kind):
            assert "*" not in (group, resource, verb)
            assert resource != "secrets"


@pytest.mark.parametrize("name", VARIANTS)
def test_only_the_controller_is_bound_to_a_role(name: str) -> None:
    manifests = variant(name)
    for kind in ("Role", "ClusterRole"):
        (binding,) = manifests.of(f"{kind}Binding")
        (role,) = manifests.of(kind)
        reference = binding["roleRef"]
        assert (reference["kind"], reference["name"]) == (kind, role["metadata"]["name"])
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "drain", "namespace": "whimbrel"}
        ]
