"""The controllers of Kubernetes beside a real API server: they roll Deployments, keep budgets and
bind pods to nodes. From the folder that KUBEBUILDER_ASSETS names, where they are in it too."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.component.drain.envtest import VARIABLE, free_port, start_program
from tests.component.drain.kube_world import ApiServer

CONTROLLERS: Final = ("kube-controller-manager", "kube-scheduler")


@contextmanager
def real_controllers(server: ApiServer, folder: Path) -> Iterator[None]:
    """Both, until the end of the block."""
    kubeconfig = folder / "controllers.json"
    cluster = {"server": server.url, "insecure-skip-tls-verify": True}
    named = {
        "clusters": ("cluster", cluster),
        "users": ("user", {"token": server.admin_token}),
        "contexts": ("context", {"cluster": "one", "user": "one"}),
    }
    config = {key: [{"name": "one", what: of}] for key, (what, of) in named.items()}
    kubeconfig.write_text(json.dumps({"current-context": "one", **config}))
    own = {
        # Only what a rolling update needs; the service account's admission is off here as well.
        "kube-controller-manager": [
            "--controllers=deployment-controller,replicaset-controller,disruption-controller"
        ],
        "kube-scheduler": [],
    }
    with ExitStack() as stack:
        for name in CONTROLLERS:
            start_program(
                stack,
                folder / f"{name}.log",
                str(Path(os.environ[VARIABLE]) / name),
                f"--kubeconfig={kubeconfig}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--secure-port={free_port()}",
                f"--cert-dir={folder / name}",
                *own[name],
            )
        yield
