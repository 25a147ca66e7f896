"""Who finds whom, who may speak to whom, and what may be taken away at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.k8s.kustomization import Object
from tests.k8s.manifests import OVERLAYS, ROLES, VARIANTS, Manifests, Workload, selects, variant

OWN = {
    ("access", "router"): {7400},
    ("access", "logic"): {7400},
    ("access", "drain"): {7400},  # pods attend to the controller
    ("logic", "router"): {7400},
    ("push", "router"): {7400},
    ("push", "logic"): {7400},  # the badge of users whom nobody has counted
    ("drain", "router"): {7400},
    ("gateway", "router"): {7400},
    ("gateway", "logic"): {7400},
}
OTHERS = {
    "local": {
        ("logic", "mongo"): {27017},
        ("push", "mongo"): {27017},
        ("gateway", "mongo"): {27017},
        ("mongo", "mongo"): {27017},
        ("mongo-initiate", "mongo"): {27017},
        ("access", "redis"): {6379},
        ("logic", "redis"): {6379},
        ("push", "redis"): {6379},
        ("router", "redis"): {6379},
        **{(role, "collector"): {4317} for role in ROLES},
        ("collector", "jaeger"): {4317},
    },
    "production": {("edge", "access"): {7400}},
    "edge-names": {("edge", "access"): {7400}},
}

WITHOUT_A_WAY_IN = {
    "autoscaling",
    "client-tls",
    "media-folder",
    "media-s3",
    "observability",
    "push-providers",
    "tls",
    "token-keys",
    "webhooks",
}
"""Components that say nothing about how clients reach Access."""


def selected(manifests: Manifests, selector: dict[str, str]) -> list[Workload]:
    """The workloads that a plain selector means."""
    return [each for each in manifests.workloads if selector.items() <= each.labels.items()]


@pytest.mark.parametrize("name", VARIANTS)
def test_workloads_select_their_own_pods_and_no_others(name: str) -> None:
    manifests = variant(name)
    for each in manifests.workloads:
        if each.kind != "Job":  # the API server gives a Job its selector
            selector = each.spec["selector"]["matchLabels"]
            assert [found.name for found in selected(manifests, selector)] == [each.name]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_pod_says_its_role_where_the_controller_looks(name: str) -> None:
    adapter = pytest.importorskip("services.drain.adapters.open_kubernetes")
    part, _, whole = adapter.SELECTOR.partition("=")
    for each in variant(name).workloads:
        is_ours = each.labels[part] == whole
        assert is_ours is (each.name in ROLES)
        if is_ours:
            deployment = variant(name).one("Deployment", each.name)
            assert each.labels[adapter.ROLE_LABEL] == each.name
            assert deployment["metadata"]["labels"].items() >= each.labels.items()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_service_points_at_a_port_that_its_pods_have(name: str) -> None:
    manifests = variant(name)
    for service in manifests.of("Service"):
        (target,) = selected(manifests, service["spec"]["selector"])
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in target.ports, service["metadata"]["name"]


@pytest.mark.parametrize("name", VARIANTS)
def test_the_router_s_address_is_a_service_that_names_every_router(name: str) -> None:
    manifests = variant(name)
    addresses = manifests.one("ConfigMap", "whimbrel-config")["data"]["WHIMBREL_ROUTER__ADDRESSES"]
    host, _, port = addresses.partition(":")
    service = manifests.one("Service", host)["spec"]
    assert service["clusterIP"] == "None"
    assert [each["port"] for each in service["ports"]] == [int(port)]


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_is_allowed_that_nobody_allowed(name: str) -> None:
    (deny,) = [
        policy["spec"]
        for policy in variant(name).of("NetworkPolicy")
        if policy["metadata"]["name"] == "default-deny"
    ]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("name", VARIANTS)
def test_who_reaches_whom_is_exactly_this(name: str) -> None:
    manifests = variant(name)
    reached = {
        (source.name, target.name): ports
        for source in manifests.workloads
        for target in manifests.workloads
        if (ports := manifests.reaches(source, target))
    }
    assert reached == OWN | OTHERS.get(name, {})


def test_push_lets_nobody_in_by_its_own_policy() -> None:
    policy = variant("local").one("NetworkPolicy", "push")["spec"]
    assert "Ingress" in policy["policyTypes"]
    assert policy["ingress"] == []


def policies(manifests: Manifests) -> Iterator[tuple[Object, list[Workload]]]:
    """Each policy with the workloads that it is for."""
    for policy in manifests.of("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]
        yield policy, [each for each in manifests.workloads if selects(selector, each.labels)]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_policy_is_for_pods_that_there_are_and_opens_ports_that_they_have(name: str) -> None:
    for policy, subjects in policies(variant(name)):
        assert subjects, policy["metadata"]["name"]
        for rule in policy["spec"].get("ingress", ()):
            for port in rule["ports"]:
                assert all(port["port"] in each.ports.values() for each in subjects)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_policy_says_which_directions_it_is_about(name: str) -> None:
    # A direction that is named and has no rule is closed; one with a rule and no name is open.
    for policy, _ in policies(variant(name)):
        spec = policy["spec"]
        if policy["metadata"]["name"] != "default-deny":
            has = {kind for kind in ("Ingress", "Egress") if kind.lower() in spec}
            assert set(spec["policyTypes"]) == has


@pytest.mark.parametrize("name", sorted({*VARIANTS} - WITHOUT_A_WAY_IN))
def test_somebody_can_reach_access_in_every_way_that_we_offer(name: str) -> None:
    manifests = variant(name)
    access = manifests.workload("access")
    ports = [
        port["port"]
        for policy, subjects in policies(manifests)
        if access in subjects
        for rule in policy["spec"].get("ingress", ())
        for port in rule["ports"]
    ]
    assert access.ports["grpc"] in ports


@pytest.mark.parametrize("name", VARIANTS)
def test_every_role_has_a_budget_that_takes_one_pod_at_a_time(name: str) -> None:
    manifests = variant(name)
    guarded = []
    for budget in manifests.of("PodDisruptionBudget"):
        spec = budget["spec"]
        (target,) = selected(manifests, spec["selector"]["matchLabels"])
        # minAvailable of all pods would block the drain of a node for ever.
        assert spec["maxUnavailable"] == 1
        assert "minAvailable" not in spec
        guarded.append(target.name)
    assert set(ROLES) <= set(guarded)
    assert len(guarded) == len(set(guarded))


@pytest.mark.parametrize("name", ["autoscaling", "production"])
def test_the_autoscaler_has_a_target_that_leaves_the_number_to_it(name: str) -> None:
    manifests = variant(name)
    (autoscaler,) = manifests.of("HorizontalPodAutoscaler")
    target = autoscaler["spec"]["scaleTargetRef"]
    deployment = manifests.one(target["kind"], target["name"])
    assert (deployment["apiVersion"], target["name"]) == (target["apiVersion"], "access")
    # Else each apply would set the number back.
    assert "replicas" not in deployment["spec"]


@pytest.mark.parametrize("name", ["autoscaling", "production"])
def test_the_autoscaler_takes_one_pod_away_and_waits_until_it_has_emptied(name: str) -> None:
    manifests = variant(name)
    (autoscaler,) = manifests.of("HorizontalPodAutoscaler")
    access = manifests.workload("access")
    (policy,) = autoscaler["spec"]["behavior"]["scaleDown"]["policies"]
    assert (policy["type"], policy["value"]) == ("Pods", 1)
    assert policy["periodSeconds"] >= 2 * access.pod["terminationGracePeriodSeconds"]

    # At its target, the least number of pods has room for the sessions of one that goes.
    (metric,) = autoscaler["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "whimbrel_access_sessions"
    sessions = int(metric["pods"]["target"]["averageValue"])
    most = int(manifests.environment(access)["WHIMBREL_DRAIN__MAX_SESSIONS"])
    least = autoscaler["spec"]["minReplicas"]
    assert sessions * least * 1.1 <= most * (least - 1)


@pytest.mark.parametrize("name", OVERLAYS)
def test_everything_is_in_the_one_namespace_that_the_binding_names(name: str) -> None:
    manifests = variant(name)
    (namespace,) = [each["metadata"]["name"] for each in manifests.of("Namespace")]
    placed = {each["metadata"].get("namespace", namespace) for each in manifests.objects}
    assert placed == {namespace}
