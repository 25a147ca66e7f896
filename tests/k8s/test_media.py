"""Where media go on a cluster: the gateway gets a storage, the way to it, and the memory for it."""

from __future__ import annotations

import re

import pytest

from services.gateway.media_settings import MediaSettings
from services.gateway.settings import GatewaySettings
from tests.k8s.manifests import Manifests, selects, settings_of, variant

COMPONENTS = ("media-folder", "media-s3")
MIB = 1024 * 1024
PROCESS_BYTES = 160 * MIB
"""A gateway with its libraries, of which the S3 client is one."""
PART_BYTES = {"s3": 8 * MIB, "folder": 0}
DOWNLOAD_BYTES = 2 * MIB
BYTES_OF_A_PIXEL = 4


def media_of(name: str, monkeypatch: pytest.MonkeyPatch) -> MediaSettings:
    settings = settings_of(variant(name), "gateway", monkeypatch)
    assert isinstance(settings, GatewaySettings)
    return settings.media


def bytes_of(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"Mi": MIB, "Gi": 1024 * MIB}[unit]


def added_egress(manifests: Manifests, name: str) -> list[str]:
    """The workloads that a policy lets out."""
    policy = manifests.one("NetworkPolicy", name)
    assert policy["spec"]["policyTypes"] == ["Egress"]
    selector = policy["spec"]["podSelector"]
    return [each.name for each in manifests.workloads if selects(selector, each.labels)]


def test_without_a_component_nobody_has_said_where_media_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert media_of("autoscaling", monkeypatch).storage == "none"


def test_the_gateway_alone_reaches_the_bucket_and_nothing_that_is_private(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    media = media_of("media-s3", monkeypatch)
    assert (media.storage, media.bucket, media.endpoint) == ("s3", "whimbrel-media", "")
    manifests = variant("media-s3")
    assert added_egress(manifests, "media-s3") == ["gateway"]
    (rule,) = manifests.one("NetworkPolicy", "media-s3")["spec"]["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]
    (peer,) = rule["to"]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
        peer["ipBlock"]["except"]
    )


def test_the_credentials_of_the_bucket_are_a_secret_by_reference() -> None:
    manifests = variant("media-s3")
    for each in manifests.workloads:
        named = {
            entry["name"]: entry["valueFrom"]["secretKeyRef"]
            for entry in each.container.get("env", ())
            if entry["name"].startswith("AWS_")
        }
        wanted = {
            "AWS_ACCESS_KEY_ID": {"name": "whimbrel-media", "key": "access-key-id"},
            "AWS_SECRET_ACCESS_KEY": {"name": "whimbrel-media", "key": "secret-access-key"},
        }
        assert named == (wanted if each.name == "gateway" else {})


def test_the_folder_is_a_claim_that_pods_on_all_nodes_write_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manifests = variant("media-folder")
    media = media_of("media-folder", monkeypatch)
    gateway = manifests.workload("gateway")
    (mount,) = [
        mount
        for mount in gateway.container["volumeMounts"]
        if mount["mountPath"] == str(media.folder)
    ]
    assert "readOnly" not in mount
    (volume,) = [volume for volume in gateway.pod["volumes"] if volume["name"] == mount["name"]]
    (claim,) = manifests.of("PersistentVolumeClaim")
    assert volume["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    # Who runs the process may write, and a pod does not change the owner of every file first.
    security = gateway.pod["securityContext"]
    assert security["fsGroup"] == security["runAsGroup"]
    assert security["fsGroupChangePolicy"] == "OnRootMismatch"


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_gateway_has_memory_for_every_transfer_that_it_takes_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = media_of(name, monkeypatch)
    upload = 2 * media.chunk_bytes + PART_BYTES[media.storage]
    thumbnail = media.thumbnail_source_bytes + BYTES_OF_A_PIXEL * media.thumbnail_pixels
    most = PROCESS_BYTES + thumbnail
    most += media.max_uploads * upload + media.max_downloads * DOWNLOAD_BYTES
    limit = variant(name).workload("gateway").container["resources"]["limits"]["memory"]
    assert most <= bytes_of(limit)
