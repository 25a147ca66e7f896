"""TLS and the keys of tokens on Kubernetes: who mounts what, and that the settings accept it."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.settings import GatewaySettings
from tests.k8s.kustomization import render
from tests.k8s.manifests import K8S, ROLES, Manifests, settings_of, variant
from whimbrel.runtime.call_rights import MAY_CALL
from whimbrel.runtime.callers import role_name
from whimbrel.runtime.tls_settings import TlsSettings


def secrets_of(manifests: Manifests, role: str) -> dict[str, str]:
    """The Secrets that a pod mounts, by where."""
    workload = manifests.workload(role)
    volumes = {volume["name"]: volume for volume in workload.pod["volumes"]}
    return {
        mount["mountPath"]: volumes[mount["name"]]["secret"]["secretName"]
        for mount in workload.container["volumeMounts"]
        if "secret" in volumes[mount["name"]]
    }


def certificates(manifests: Manifests) -> dict[str, Any]:
    return {each["spec"]["secretName"]: each["spec"] for each in manifests.of("Certificate")}


@pytest.mark.parametrize("role", ROLES)
def test_every_pod_shows_a_certificate_of_its_own_that_pods_accept(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = variant("tls")
    tls = settings_of(manifests, role, monkeypatch).tls
    mounted = secrets_of(manifests, role)["/etc/whimbrel/tls"]
    files = [tls.certificate, tls.key, tls.ca]
    # The names that cert-manager gives them.
    assert [str(path) for path in files] == [
        f"/etc/whimbrel/tls/{name}" for name in ("tls.crt", "tls.key", "ca.crt")
    ]
    certificate = certificates(manifests)[mounted]
    assert certificate["dnsNames"] == [TlsSettings().name, role_name(role, TlsSettings().name)]
    assert tls.roles_required
    assert {"server auth", "client auth"} <= set(certificate["usages"])
    assert certificate["privateKey"]["algorithm"] == "ECDSA"
    others = {secrets_of(manifests, other)["/etc/whimbrel/tls"] for other in ROLES if other != role}
    assert mounted not in others


def test_the_authority_signs_pods_alone_and_no_pod_has_its_key() -> None:
    manifests = variant("tls")
    issuers = {each["metadata"]["name"]: each["spec"] for each in manifests.of("Issuer")}
    for secret, certificate in certificates(manifests).items():
        issuer = issuers[certificate["issuerRef"]["name"]]
        if certificate.get("isCA"):
            assert "selfSigned" in issuer
            assert all(secret not in secrets_of(manifests, role).values() for role in ROLES)
        else:
            assert certificates(manifests)[issuer["ca"]["secretName"]]["isCA"]
    of_roles = {f"{role}-pod-tls" for role in ROLES}
    assert set(certificates(manifests)) == of_roles | {"whimbrel-pod-authority", "operator-tls"}


def test_an_operator_has_a_certificate_that_is_no_pod_s_and_that_none_mounts() -> None:
    manifests = variant("tls")
    certificate = certificates(manifests)["operator-tls"]
    # Without the name of all pods: nobody who calls one believes it.
    assert certificate["dnsNames"] == [role_name("operator", TlsSettings().name)]
    assert "operator" in MAY_CALL
    assert set(certificate["usages"]) == {"digital signature", "client auth"}
    assert certificate["issuerRef"]["name"] == "whimbrel-pods"
    for role in ROLES:
        assert "operator-tls" not in secrets_of(manifests, role).values()


@pytest.mark.parametrize("role", ["access", "gateway"])
def test_clients_are_shown_a_certificate_that_is_no_pod_s(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = tuple(K8S / "components" / name for name in ("tls", "client-tls"))
    manifests = Manifests(render(K8S / "base", components=folders))
    settings = settings_of(manifests, role, monkeypatch)
    assert settings.client_tls.is_set
    assert settings.client_tls.certificate != settings.tls.certificate
    mounted = secrets_of(manifests, role)["/etc/whimbrel/client-tls"]
    certificate = certificates(manifests)[mounted]
    assert certificate["issuerRef"]["name"] != "whimbrel-pods"
    assert TlsSettings().name not in certificate["dnsNames"]


def test_the_gateway_alone_can_sign_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = variant("token-keys")
    for role in ROLES:
        signs = "whimbrel-token-signing" in secrets_of(manifests, role).values()
        assert signs is (role == "gateway")
        settings = settings_of(manifests, role, monkeypatch)
        auth = getattr(settings, "auth", None)
        if role not in ("access", "gateway"):
            assert auth is None
            continue
        assert auth is not None
        assert auth.secret_file is None, "a secret that verifies could sign as well"
        assert str(auth.keys_file) == "/etc/whimbrel/token-keys/keys.json"
        assert secrets_of(manifests, role)["/etc/whimbrel/token-keys"] == "whimbrel-token-keys"
    gateway = settings_of(manifests, "gateway", monkeypatch)
    assert isinstance(gateway, GatewaySettings)
    assert str(gateway.auth.signing_file) == "/etc/whimbrel/token-signing/signing.json"
