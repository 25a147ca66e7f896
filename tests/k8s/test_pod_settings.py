"""Every pod is told only what its service understands, and its probes, hook, processor and grace
period agree with what it is told."""

from __future__ import annotations

import re

import pytest

from services.access.settings import AccessSettings
from tests.k8s.manifests import ROLES, VARIANTS, Manifests, settings_of, variant
from whimbrel.core.drain.grace import LONGEST_SECONDS, drain_seconds, grace_seconds, least_seconds

PRE_STOP_MARGIN_SECONDS = 10.0  # services/access/prestop.py waits so much beyond the deadline
PORT = 7400


def access_settings_of(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> AccessSettings:
    """What a pod of Access is told."""
    settings = settings_of(manifests, "access", monkeypatch)
    assert isinstance(settings, AccessSettings)
    return settings


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variable_is_one_that_the_service_takes(
    name: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = variant(name)
    settings = settings_of(manifests, role, monkeypatch)
    assert settings.pod.listen == f"0.0.0.0:{PORT}"
    assert settings.pod.advertise == "10.1.2.3"
    assert settings.pod.revision == "7d9f8b6c5d"
    assert (settings.pod.node, settings.pod.zone) == ("node-1", "zone-a")
    metrics_port = manifests.workload(role).ports["metrics"]
    assert settings.metrics.listen == f"0.0.0.0:{metrics_port}"
    assert manifests.workload(role).container["args"] == [f"services.{role}"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_reference_in_the_environment_is_to_a_variable_before_it(name: str) -> None:
    manifests = variant(name)
    for each in manifests.workloads:
        assert [v for v in manifests.environment(each).values() if re.search(r"\$\(\w+\)", v)] == []


def test_the_node_s_address_is_the_endpoint_where_pods_take_its_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manifests = variant("host-port")
    settings = access_settings_of(manifests, monkeypatch)
    assert settings.stream.client_endpoint == f"192.0.2.1:{PORT}"
    taken = [port for port in manifests.workload("access").container["ports"] if "hostPort" in port]
    assert [(port["hostPort"], port["containerPort"]) for port in taken] == [(PORT, PORT)]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", VARIANTS)
def test_probes_ask_for_health_and_a_pod_that_empties_is_not_killed(
    name: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = variant(name).workload(role).container
    assert container["ports"][0]["containerPort"] == PORT
    # Probes show no certificate: where the port asks for one they have a port of their own.
    without_tls = settings_of(variant(name), role, monkeypatch).tls.health_listen
    port = PORT if without_tls is None else int(without_tls.rpartition(":")[2])
    assert container["startupProbe"]["grpc"] == {"port": port}
    assert container["readinessProbe"]["grpc"] == {"port": port}
    # A pod that drains says NOT_SERVING: liveness must not listen to that.
    assert container["livenessProbe"]["tcpSocket"] == {"port": PORT}
    assert "grpc" not in container["livenessProbe"]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_pod_is_noticed_as_not_ready_before_its_first_client_moves(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = access_settings_of(variant(name), monkeypatch)
    probe = variant(name).workload("access").container["readinessProbe"]
    # One more period to begin with. The route to the pod is withdrawn within it, or moved clients
    # and newcomers meet at its door.
    assert probe["periodSeconds"] * probe["failureThreshold"] <= settings.drain.settle_seconds + 1


@pytest.mark.parametrize("name", VARIANTS)
def test_the_grace_period_follows_from_the_formula(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = variant(name)
    settings = access_settings_of(manifests, monkeypatch)
    drain = settings.drain
    grace = manifests.workload("access").pod["terminationGracePeriodSeconds"]
    assert drain.max_sessions > 0, "without a bound to its sessions no grace period is enough"

    # One other pod takes them, at its budget: so it is for each when all old pods of a roll-out
    # empty at once into as many new ones.
    most, rate = drain.max_sessions, drain.arrivals_per_second
    assert grace_seconds(most, rate) <= grace <= LONGEST_SECONDS
    # The pod's own deadline: everybody is asked before the last tenth, in which the rest is ended.
    assert least_seconds(most, rate) <= 0.9 * drain.deadline_seconds
    assert drain_seconds(most, rate) <= drain.deadline_seconds + settings.pod.grace_seconds
    # The hook, at its longest, and then the process's own end.
    assert drain.deadline_seconds + PRE_STOP_MARGIN_SECONDS + settings.pod.grace_seconds <= grace


@pytest.mark.parametrize("name", VARIANTS)
def test_access_is_emptied_by_its_hook_through_a_socket_that_it_can_make(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = variant(name)
    access = manifests.workload("access")
    settings = access_settings_of(manifests, monkeypatch)
    assert access.container["lifecycle"] == {
        "preStop": {"exec": {"command": ["python", "-m", "services.access.prestop"]}}
    }
    assert settings.drain.socket is not None
    mounts = {each["mountPath"]: each for each in access.container["volumeMounts"]}
    mount = mounts[str(settings.drain.socket.parent)]
    volumes = {each["name"]: each for each in access.pod["volumes"]}
    assert "emptyDir" in volumes[mount["name"]]
    assert "readOnly" not in mount


@pytest.mark.parametrize("name", VARIANTS)
def test_a_pod_with_several_processes_asks_for_a_core_for_each(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = variant(name)
    settings = access_settings_of(manifests, monkeypatch)
    processes = settings.access.processes
    wanted = manifests.workload("access").container["resources"]["requests"]["cpu"]
    assert processes == 1 or processes <= int(wanted)


@pytest.mark.parametrize("role", sorted({*ROLES} - {"access"}))
@pytest.mark.parametrize("name", VARIANTS)
def test_the_others_have_time_for_every_step_of_their_end(
    name: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = variant(name)
    settings = settings_of(manifests, role, monkeypatch)
    grace = manifests.workload(role).pod["terminationGracePeriodSeconds"]
    assert 3 * settings.pod.grace_seconds <= grace <= LONGEST_SECONDS
