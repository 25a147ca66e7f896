"""The manifests render, here as with kustomize, and Kubernetes knows what they say."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate.utils
import pytest
import yaml

from tests.k8s.kustomization import Object, UnknownFeatureError, documents, render
from tests.k8s.manifests import (
    COMPONENT_FOLDERS,
    COMPONENTS,
    K8S,
    OVERLAYS,
    VARIANTS,
    variant,
)

OLDEST = "1.30.0"
"""matchLabelKeys and unhealthyPodEvictionPolicy are on by default from here."""


def kustomize() -> list[str]:
    """The command that renders, or a skip that says what is missing."""
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    pytest.skip("neither kustomize nor kubectl is on the PATH")


def by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
    """Objects have no order."""
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    assert len(found) == len(objects)
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_the_renderer_agrees_with_kustomize(name: str, tmp_path: Path) -> None:
    folder = K8S / "overlays" / name
    if name in COMPONENTS:
        folder = tmp_path
        base, component = (
            os.path.relpath(path, tmp_path) for path in (K8S / "base", COMPONENT_FOLDERS[name])
        )
        (tmp_path / "kustomization.yaml").write_text(
            yaml.safe_dump({"resources": [base], "components": [component]})
        )
    made = subprocess.run([*kustomize(), str(folder)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert by_name(list(yaml.safe_load_all(made.stdout))) == by_name(variant(name).objects)


@pytest.fixture
def schemas_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library parses its 2 MB of definitions anew for each object."""
    kept = functools.cache(kubernetes_validate.utils.schema_contents)
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", kept)


@pytest.mark.usefixtures("schemas_read_once")
@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_every_object_is_one_that_kubernetes_knows(version: str) -> None:
    # Most objects are the same in every variant.
    different = {
        json.dumps(each, sort_keys=True) for name in VARIANTS for each in variant(name).objects
    }
    for each in sorted(different):
        found = json.loads(each)
        # Operators' own: test_monitoring.py, test_alerts.py, test_tls_manifests.py.
        if not found["apiVersion"].startswith(("monitoring.coreos.com/", "cert-manager.io/")):
            kubernetes_validate.validate(found, version, strict=True)


def test_a_misspelt_field_is_found() -> None:
    service = next(iter(variant(OVERLAYS[0]).of("Service")))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**service, "specs": {}}, OLDEST, strict=True)


def test_every_file_belongs_to_a_kustomization() -> None:
    named: set[Path] = set()
    for path in K8S.rglob("kustomization.yaml"):
        (content,) = documents(path)
        entries: list[Any] = [*content.get("resources", ()), *content.get("components", ())]
        entries += [patch["path"] for patch in content.get("patches", ())]
        named |= {path, *((path.parent / entry).resolve() for entry in entries)}
    samples = set((K8S / "observability" / "tests").iterdir())  # promtool's, of the alerts
    assert set(K8S.rglob("*.yaml")) - samples <= named


def test_what_the_renderer_does_not_know_it_refuses(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("namePrefix: some-\n")
    with pytest.raises(UnknownFeatureError, match="namePrefix"):
        render(tmp_path)
