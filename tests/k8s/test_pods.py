"""What every pod must be: harmless, complete, spread, replaced before it goes, without secrets."""

from __future__ import annotations

import re

import pytest

from tests.k8s.manifests import OVERLAYS, ROLES, VARIANTS, Manifests, Workload, variant


def pods(name: str) -> list[Workload]:
    """Everything that makes pods, ours and others'."""
    return variant(name).workloads


def own(manifests: Manifests) -> dict[str, Workload]:
    """Those that run a service of ours, by role."""
    return {role: manifests.workload(role) for role in ROLES}


@pytest.mark.parametrize("name", VARIANTS)
def test_no_pod_can_become_root_or_touch_its_image(name: str) -> None:
    for each in pods(name):
        security = each.pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["runAsGroup"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert each.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(each.pod)
        assert all("hostPath" not in volume for volume in each.pod["volumes"])


@pytest.mark.parametrize("name", VARIANTS)
def test_only_the_controller_has_the_credentials_of_an_account(name: str) -> None:
    accounts = {each["metadata"]["name"]: each for each in variant(name).of("ServiceAccount")}
    for each in pods(name):
        assert accounts[each.pod["serviceAccountName"]]["automountServiceAccountToken"] is False
        assert each.pod["automountServiceAccountToken"] is (each.name == "drain")


@pytest.mark.parametrize("name", VARIANTS)
def test_every_pod_says_what_it_needs_and_has_no_limit_to_its_processor(name: str) -> None:
    for each in pods(name):
        resources = each.container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}
        assert set(resources["limits"]) == {"memory"}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_volume_that_is_mounted_is_there_and_the_other_way_round(name: str) -> None:
    for each in pods(name):
        mounted = {mount["name"] for mount in each.container["volumeMounts"]}
        claims = {claim["metadata"]["name"] for claim in each.spec.get("volumeClaimTemplates", ())}
        assert mounted == {volume["name"] for volume in each.pod["volumes"]} | claims


@pytest.mark.parametrize("name", VARIANTS)
def test_every_configuration_that_is_mounted_or_read_is_there(name: str) -> None:
    manifests = variant(name)
    there = {each["metadata"]["name"] for each in manifests.of("ConfigMap")}
    for each in manifests.workloads:
        named = {source["configMapRef"]["name"] for source in each.container.get("envFrom", ())}
        named |= {v["configMap"]["name"] for v in each.pod["volumes"] if "configMap" in v}
        assert named <= there


@pytest.mark.parametrize("name", VARIANTS)
def test_kubernetes_adds_no_variables_of_its_own(name: str) -> None:
    assert all(each.pod["enableServiceLinks"] is False for each in pods(name))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_roll_out_adds_before_it_takes_away(name: str) -> None:
    for each in own(variant(name)).values():
        assert each.spec["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
        }


@pytest.mark.parametrize("name", VARIANTS)
def test_pods_of_a_role_are_spread_over_zones_and_nodes_by_revision(name: str) -> None:
    for each in own(variant(name)).values():
        spread = each.pod["topologySpreadConstraints"]
        assert [constraint["topologyKey"] for constraint in spread] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        for constraint in spread:
            assert constraint["labelSelector"]["matchLabels"] == each.labels
            assert constraint["matchLabelKeys"] == ["pod-template-hash"]
        is_strict = spread[0]["whenUnsatisfiable"] == "DoNotSchedule"
        assert is_strict is (name == "production")


@pytest.mark.parametrize("name", VARIANTS)
def test_no_secret_stands_in_a_manifest(name: str) -> None:
    manifests = variant(name)
    assert manifests.of("Secret") == []
    for role, each in own(manifests).items():
        for entry in each.container["env"]:
            if entry["name"] in ("WHIMBREL_MONGO__URL", "WHIMBREL_REDIS__URL"):
                assert set(entry["valueFrom"]) == {"secretKeyRef"}, role
    for each_object in manifests.objects:
        assert not re.search(r"://[^/\s'\"]*@", str(each_object)), each_object["metadata"]["name"]
        assert "PRIVATE KEY" not in str(each_object)


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_image_has_a_version_and_none_a_host(name: str) -> None:
    for each in pods(name):
        image, _, tag = each.container["image"].partition(":")
        assert tag not in ("", "latest")
        assert "." not in image.partition("/")[0]
